// Wrong: 32 bits are not enough for the second input.
#include <cstdint>
#include <iostream>

int main() {
	long long n, x;
	std::uint32_t sum = 0;
	for (std::cin >> n; n > 0 && std::cin >> x; n--) sum += x;
	std::cout << static_cast<std::int32_t>(sum) << "\n";
}
