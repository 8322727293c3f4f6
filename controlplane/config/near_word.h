// SPDX-License-Identifier: Apache-2.0
#pragma once
// nearest_word: which known word a mistyped one was probably meant to be, for "did you mean ...?". Pure.

#include <string_view>
#include <vector>

namespace sallyport::config {

// Empty if none is within two insertions, deletions or replacements, or if the word is longer than 64 characters.
std::string_view nearest_word(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace sallyport::config
