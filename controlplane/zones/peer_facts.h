// SPDX-License-Identifier: Apache-2.0
#pragma once
// What each node of a zone tells the other about itself, over the multiplex channel "facts": one JSON object a line, anew at each change.
// Lines and lists are bounded; what is unknown in an object is left alone, so that versions may differ. FactsLines cuts the lines.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::zones {

inline constexpr std::string_view facts_purpose = "facts";
inline constexpr std::string_view authenticate_purpose = "authenticate";
// RFC 7616 in reverse: E, HTTP/2's client, challenges; the method of A2 is that of the channel.
inline constexpr std::string_view multiplex_method = "CONNECT";
inline constexpr std::string_view challenge_field = "www-authenticate";
inline constexpr std::string_view credentials_field = "authorization";

struct PeerFacts {
  std::string node, fqdn, role, version;
  std::vector<std::string> sip_domains;
  // C: names that E's certificates need (B14, B28, B35).
  std::vector<std::string> registration_domains, federation_domains, chat_node_aliases;
  std::vector<std::string> xmpp_domains;  // C: those of its presence servers, lower case
  std::string onboarding_authority;  // C: PEM; empty: it onboards no phones
  bool operator==(const PeerFacts&) const = default;
};

std::string format_facts(const PeerFacts& facts);  // with the line's end
Outcome<PeerFacts> parse_facts(std::string_view line);

class FactsLines {
 public:
  // The lines that are whole now go to take(line); false: a line is longer than anything we know.
  template <class Take>
  bool feed(std::string_view bytes, Take take) {
    for (size_t end; (end = bytes.find('\n')) != std::string_view::npos; bytes.remove_prefix(end + 1)) {
      if (rest_.size() + end > line_limit_bytes) return false;
      rest_ += bytes.substr(0, end);
      take(std::string_view(rest_));
      rest_.clear();
    }
    rest_ += bytes.substr(0, line_limit_bytes + 1);
    return rest_.size() <= line_limit_bytes;
  }

 private:
  static constexpr size_t line_limit_bytes = 64 << 10;
  std::string rest_;
};

}  // namespace sallyport::zones
