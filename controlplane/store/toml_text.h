// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values as TOML writes them, for the documents that this program writes. Pure, any thread.

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::store {

// Control characters never get into the store, so two escapes are enough.
std::string toml_literal(std::string_view text);
std::string toml_literal(const std::vector<std::string>& list);
// An element a line, for lists that may be long.
std::string toml_lines(const std::vector<std::string>& list);
// For text of elsewhere: what may stand in a comment, of at most 200 characters.
std::string toml_comment(std::string_view text);

}  // namespace sallyport::store
