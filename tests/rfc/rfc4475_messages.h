// SPDX-License-Identifier: Apache-2.0
#pragma once
// The torture cases of RFC 4475 as messages, each with what the syntax layer must say of it and what a proxy must
// answer.

#include <span>
#include <string_view>

namespace sallyport::sip::torture {

struct Case {
  std::string_view name;  // the RFC's
  std::string_view section;
  std::string_view about;
  int syntax_status;      // of parse() and validate_*(): 0 accepted; else the status to answer, for a response: discard
  int proxy_status;       // what a proxy answers; 0: forwards, or for a response: passes on or drops without an answer
  std::string_view text;  // one datagram
};

std::span<const Case> valid_cases();     // 3.1.1
std::span<const Case> invalid_cases();   // 3.1.2
std::span<const Case> semantic_cases();  // 3.2 to 3.4

}  // namespace sallyport::sip::torture
