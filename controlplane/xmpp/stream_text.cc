// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/stream_text.h"

#include <idn2.h>
#include <openssl/rand.h>

#include <algorithm>

#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {

namespace {
constexpr size_t most_address_bytes = 1023;  // RFC 7622 3.2
}  // namespace

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

std::string address_of(const std::string& domain) {
  char* unicode = nullptr;
  if (idn2_to_unicode_8z8z(domain.c_str(), &unicode, IDN2_NONTRANSITIONAL) != IDN2_OK) return domain;
  std::string address = unicode;
  idn2_free(unicode);
  return address;
}

std::string domain_of(std::string_view address) {
  if (address.ends_with('.')) address.remove_suffix(1);
  if (address.empty() || address.size() > most_address_bytes) return {};
  std::string labels(address);
  if (std::any_of(labels.begin(), labels.end(), [](char c) { return (c & 0x80) != 0; })) {
    char* ascii = nullptr;
    if (idn2_to_ascii_8z(labels.c_str(), &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK) return {};
    labels = ascii;
    idn2_free(ascii);
  }
  if (labels.empty() || labels.size() > 253) return {};
  std::string name;
  for (const char c : labels) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (!((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-' || lower == '.' || lower == '_')) return {};
    name += lower;
  }
  return name;
}

}  // namespace sallyport::xmpp
