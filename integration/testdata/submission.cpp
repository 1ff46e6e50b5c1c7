// Sums numbers from standard input in four threads.
#include <iostream>
#include <numeric>
#include <thread>
#include <vector>

int main()
{
	std::vector<long> numbers;
	for (long n; std::cin >> n;)
		numbers.push_back(n);
	std::vector<long> sums(4);
	std::vector<std::thread> threads;
	for (size_t i = 0; i < sums.size(); i++)
		threads.emplace_back([&, i] {
			for (size_t k = i; k < numbers.size(); k += sums.size())
				sums[i] += numbers[k];
		});
	for (auto &t : threads)
		t.join();
	std::cout << std::accumulate(sums.begin(), sums.end(), 0L) << std::endl;
}
