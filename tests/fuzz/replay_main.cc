// SPDX-License-Identifier: Apache-2.0
// Replays a fuzzer's corpus without libFuzzer, so that every build runs it as a test: all files of the folders named, and of
// each a fixed number of deterministic mutations. Usage: NAME_fuzz [--mutations=N] FOLDER...
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Input = std::vector<uint8_t>;

// In a block of exactly its size, so that AddressSanitizer sees a read one byte behind.
void run(const Input& input) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), exact.get());
  LLVMFuzzerTestOneInput(exact.get(), input.size());
}

Input mutate(Input input, std::mt19937_64& random) {
  for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
    const size_t at = input.empty() ? 0 : random() % input.size();
    const auto where = input.begin() + static_cast<ptrdiff_t>(at);
    switch (random() % 5) {
      case 0: input.insert(where, static_cast<uint8_t>(random())); break;
      case 1: input.resize(at); break;
      case 2: input.insert(input.end(), where, input.begin() + static_cast<ptrdiff_t>(std::min(input.size(), at + 64))); break;
      case 3: if (!input.empty()) *where = static_cast<uint8_t>(random()); break;
      default: if (!input.empty()) *where ^= static_cast<uint8_t>(1 << random() % 8);
    }
  }
  return input;
}

}  // namespace

int main(int count, char** arguments) {
  uint64_t mutations = 1000;
  std::vector<std::filesystem::path> files;
  for (int at = 1; at < count; ++at) {
    const std::string_view argument = arguments[at];
    if (argument.starts_with("--mutations=")) {
      mutations = std::strtoull(arguments[at] + std::strlen("--mutations="), nullptr, 10);
      continue;
    }
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argument, error))
      if (entry.is_regular_file()) files.push_back(entry.path());
    if (error) {
      std::fprintf(stderr, "corpus %s: %s; name an existing folder\n", arguments[at], error.message().c_str());
      return 2;
    }
  }
  if (files.empty()) {
    std::fprintf(stderr, "corpus: no file in the folders named; nothing was tested\n");
    return 2;
  }
  std::sort(files.begin(), files.end());
  std::mt19937_64 random(1);
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const Input input{std::istreambuf_iterator<char>(stream), {}};
    run(input);
    for (uint64_t round = 0; round < mutations; ++round) run(mutate(input, random));
  }
  std::printf("%zu corpus files, %llu inputs\n", files.size(), static_cast<unsigned long long>(files.size() * (mutations + 1)));
  return 0;
}
