// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/cseq.h"

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

constexpr std::uint32_t max_sequence = 0x7fffffffu;  // RFC 3261 8.1.1.5: less than 2^31

// Cuts the leading word off `text`.
std::string_view take_word(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && !is_lws(text[end])) ++end;
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

}  // namespace

std::optional<CSeq> parse_cseq(std::string_view text) {
  text = trim(text);
  const auto number = parse_number(take_word(text), max_sequence);
  if (!number || !is_token(text)) return std::nullopt;
  return CSeq{*number, text, method_of(text)};
}

std::optional<RAck> parse_rack(std::string_view text) {
  text = trim(text);
  const auto response_number = parse_number(take_word(text), max_sequence);
  const auto cseq = parse_cseq(text);
  if (!response_number || !cseq) return std::nullopt;
  return RAck{*response_number, *cseq};
}

}  // namespace sallyport::sip
