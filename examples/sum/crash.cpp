// Dies of a signal of its own making.
#include <cstdlib>

int main() { std::abort(); }
