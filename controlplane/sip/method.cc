// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/method.h"

#include <array>
#include <cstddef>

namespace sallyport::sip {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, 16> names = {
    "",       "INVITE", "ACK",       "BYE",    "CANCEL",  "REGISTER", "OPTIONS", "PRACK",
    "UPDATE", "REFER",  "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE",  "INFO",    "SERVICE",
};
static_assert(names[static_cast<std::size_t>(Method::service)] == "SERVICE");

}  // namespace

Method method_of(std::string_view text) {
  if (text.empty()) return Method::other;
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (names[i][0] == text[0] && names[i] == text) return static_cast<Method>(i);
  }
  return Method::other;
}

std::string_view method_text(Method method) {
  return names[static_cast<std::size_t>(method)];
}

}  // namespace sallyport::sip
