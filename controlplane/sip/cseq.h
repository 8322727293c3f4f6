// SPDX-License-Identifier: Apache-2.0
#pragma once
// CSeq and RAck: sequence numbers below 2^31 (RFC 3261 8.1.1.5, RFC 3262 7.2) with the method they name. Views into the
// message.

#include <cstdint>
#include <optional>
#include <string_view>

#include "controlplane/sip/method.h"

namespace sallyport::sip {

struct CSeq {
  std::uint32_t number = 0;
  std::string_view method_text;
  Method method = Method::other;
};
std::optional<CSeq> parse_cseq(std::string_view text);

struct RAck {
  std::uint32_t response_number = 0;
  CSeq cseq;
};
std::optional<RAck> parse_rack(std::string_view text);

}  // namespace sallyport::sip
