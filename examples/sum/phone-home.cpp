// Would ask somebody else for the answer: its first socket is its end.
#include <iostream>
#include <sys/socket.h>

int main() {
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	std::cout << "socket " << fd << "\n";
}
