// SPDX-License-Identifier: Apache-2.0
#pragma once
// Method: the SIP methods the proxy treats by name; anything else is `other` and keeps its text in the message.
// Methods are case-sensitive (RFC 3261 7.1). Pure functions, any thread.

#include <cstdint>
#include <string_view>

namespace sallyport::sip {

enum class Method : std::uint8_t {
  other,
  invite,
  ack,
  bye,
  cancel,
  register_,
  options,
  prack,
  update,
  refer,
  subscribe,
  notify,
  publish,
  message,
  info,
  service,
};

Method method_of(std::string_view text);
// "" for Method::other.
std::string_view method_text(Method method);

}  // namespace sallyport::sip
