// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/near_word.h"

#include <algorithm>
#include <numeric>

namespace sallyport::config {
namespace {

constexpr std::size_t max_word_chars = 64;
constexpr std::size_t max_edits = 2;

// Levenshtein distance, one row at a time.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replace = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest_word(std::string_view word, const std::vector<std::string_view>& known) {
  if (word.size() > max_word_chars) return {};
  std::string_view best;
  std::size_t fewest = std::min(max_edits, word.size() / 2) + 1;
  for (std::string_view candidate : known) {
    std::size_t edits = edits_between(word, candidate);
    if (edits < fewest) {
      fewest = edits;
      best = candidate;
    }
  }
  return best;
}

}  // namespace sallyport::config
