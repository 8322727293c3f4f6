// SPDX-License-Identifier: Apache-2.0
#pragma once
// BenchOptions: what scripts/bench gives every benchmark program. parse() ends the program with 2 and a line of usage when it is given
// anything else. Main thread.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace sallyport::perf {

struct BenchOptions {
  bool is_quick = false;     // short runs: figures vary more
  bool with_stages = false;  // cycles of each stage of the path, too
  std::string only;          // names that begin so

  static BenchOptions parse(int count, char** arguments, bool has_stages) {
    BenchOptions options;
    for (int at = 1; at < count; ++at) {
      const std::string_view argument = arguments[at];
      if (argument == "--quick") {
        options.is_quick = true;
      } else if (argument == "--stages" && has_stages) {
        options.with_stages = true;
      } else if (argument == "--only" && at + 1 < count) {
        options.only = arguments[++at];
      } else {
        std::fprintf(stderr, "usage: %s [--quick] [--only PREFIX]%s\n", arguments[0], has_stages ? " [--stages]" : "");
        std::exit(2);
      }
    }
    return options;
  }
};

}  // namespace sallyport::perf
