// The task: the input is a count n and n integers of 64 bits that sum to one; print the sum.
#include <iostream>

int main() {
	long long n, x, sum = 0;
	for (std::cin >> n; n > 0 && std::cin >> x; n--) sum += x;
	std::cout << sum << "\n";
}
