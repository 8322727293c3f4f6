// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/stream_text.h"

#include <openssl/rand.h>

#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {

std::string stream_error(std::string_view condition, std::string_view text) {
  return "<stream:error><" + std::string(condition) + " xmlns='" + std::string(ns::stream_errors) + "'/><text xmlns='" + std::string(ns::stream_errors) + "' xml:lang='en'>" + escape_xml(text) + "</text></stream:error></stream:stream>";
}

const char* condition_of(ScanFault fault) {
  switch (fault) {
    case ScanFault::restricted_xml: return "restricted-xml";
    case ScanFault::header_too_big:
    case ScanFault::stanza_too_big:
    case ScanFault::too_deep: return "policy-violation";
    default: return "not-well-formed";
  }
}

LoginWord login_word(std::string_view tag) {
  tag.remove_prefix(tag.empty() ? 0 : 1);
  std::string_view name = tag.substr(0, tag.find_first_of(" \t\r\n/>"));
  name.remove_prefix(name.find(':') == std::string_view::npos ? 0 : name.find(':') + 1);
  if (name != "success" && name != "failure") return LoginWord::none;
  const bool is_sasl2 = tag.find(ns::sasl2) != std::string_view::npos;
  if (!is_sasl2 && tag.find(ns::sasl) == std::string_view::npos) return LoginWord::none;
  if (name == "failure") return LoginWord::failure;
  return is_sasl2 ? LoginWord::success : LoginWord::success_and_restart;
}

bool is_utf8(std::string_view encoding) {
  std::string lower;
  for (const char c : encoding) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower == "utf-8" || lower == "utf8";
}

std::string random_stream_id() {
  unsigned char bytes[16];
  RAND_bytes(bytes, sizeof bytes);
  std::string id;
  for (const unsigned char byte : bytes) {
    id += "0123456789abcdef"[byte >> 4];
    id += "0123456789abcdef"[byte & 15];
  }
  return id;
}

std::string domain_of(std::string_view address) {
  if (address.ends_with('.')) address.remove_suffix(1);
  if (address.empty() || address.size() > 253) return {};
  std::string name;
  for (const char c : address) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (!((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-' || lower == '.' || lower == '_')) return {};
    name += lower;
  }
  return name;
}

}  // namespace sallyport::xmpp
