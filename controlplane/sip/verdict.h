// SPDX-License-Identifier: Apache-2.0
#pragma once
// Verdict: what the syntax layer thinks of hostile input: accepted, or the SIP status to answer with and why.
// `reason` always names static storage, so a verdict is trivially copied, never allocates and may serve as counter
// label.

#include <cstdint>
#include <string_view>

namespace sallyport::sip {

struct [[nodiscard]] Verdict {
  std::uint16_t status = 0;  // 0: accepted; else 4xx/5xx. For a response it only says "discard".
  std::string_view reason;   // "Malformed CSeq"; fit for the reason phrase

  bool ok() const { return status == 0; }
  explicit operator bool() const { return ok(); }
};

}  // namespace sallyport::sip
