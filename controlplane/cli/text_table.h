// SPDX-License-Identifier: Apache-2.0
#pragma once
// TextTable: columns as wide as their widest cell, for a terminal. Cells are cleaned of control characters, since they may hold what
// a peer sent. Plain value.

#include <string>
#include <vector>

namespace sallyport::cli {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> titles) : rows_{std::move(titles)} {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool is_empty() const { return rows_.size() == 1; }
  // Columns without any content are left out.
  std::string text(const std::string& indent = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string printable(std::string text);  // control characters become '.'

}  // namespace sallyport::cli
