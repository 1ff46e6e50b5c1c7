// What a program does: threads, processes, files, much input; how it ends badly; what it looks for.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

static std::string said(const char *command) {
  char line[64] = "";
  FILE *p = popen(command, "r");
  if (!p || !fgets(line, sizeof line, p) || pclose(p) != 0) return "failed\n";
  return line;
}

static void works() {
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 5; n++) threads.emplace_back([&sum, n] { sum += n; });
  for (auto &t : threads) t.join();
  std::cout << "threads " << sum << "\nprocess " << said("echo hello");
  std::ofstream("/tmp/works") << "kept";
  std::string kept;
  std::ifstream("/tmp/works") >> kept;
  std::filesystem::remove("/tmp/works");
  std::cout << "file " << kept << "\n";
  std::vector<char> block(1 << 20);
  long size = 0;
  while (std::cin.read(block.data(), block.size()), std::cin.gcount() > 0) size += std::cin.gcount();
  std::cout << "stdin " << size << "\n";
}

static void looks() {
  std::cout << "socket " << (socket(AF_INET, SOCK_DGRAM, 0) < 0 ? "refused" : "ok") << "\n";
  std::cout << "shadow " << (std::filesystem::exists("/etc/shadow") ? "true" : "false") << "\n";
  int processes = 0;
  for (auto &e : std::filesystem::directory_iterator("/proc")) processes += isdigit(e.path().filename().string()[0]) != 0;
  std::cout << "processes " << processes << "\n";
}

int main(int, char **argv) {
  std::string mode = argv[1];
  if (mode == "works") works();
  else if (mode == "looks") looks();
  else *static_cast<volatile int *>(nullptr) = 0;
}
