// Runs a fuzz target over the files of the directories (or the files) named on the command line,
// for the builds without libFuzzer: a file passes if the target returns. No file at all is a
// failure, so that a moved corpus is noticed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& where) {
  if (!std::filesystem::is_directory(where)) return {where};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(where)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool replay(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  if (!input) {
    std::fprintf(stderr, "cannot read %s\n", file.c_str());
    return false;
  }
  // A vector of exactly that size: AddressSanitizer sees the first octet read behind the end.
  const std::vector<char> octets{std::istreambuf_iterator<char>(input), {}};
  const std::vector<std::uint8_t> data(octets.begin(), octets.end());
  std::printf("%s: %zu octets\n", file.c_str(), data.size());
  std::fflush(stdout);  // a crash is to leave the name of its file behind
  LLVMFuzzerTestOneInput(data.data(), data.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : files_of(argv[i])) {
      if (!replay(file)) return 1;
      ++count;
    }
  }
  if (count == 0) {
    std::fputs("no file to replay\n", stderr);
    return 1;
  }
  return 0;
}
