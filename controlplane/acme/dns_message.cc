// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/dns_message.h"

#include <algorithm>
#include <array>

namespace sallyport::acme {
namespace {

constexpr size_t header_bytes = 12;
constexpr size_t most_records = 256;  // of all sections; answers to our questions hold a handful
constexpr int most_jumps = 32;
constexpr uint16_t class_in = 1, class_none = 254;
constexpr uint16_t opcode_update = 5;

Fault message_fault(const char* cause) { return Fault{FaultCode::invalid, "DNS answer", cause, ""}; }

uint16_t get_16(std::string_view wire, size_t at) { return static_cast<uint16_t>(static_cast<unsigned char>(wire[at]) << 8 | static_cast<unsigned char>(wire[at + 1])); }
uint32_t get_32(std::string_view wire, size_t at) { return static_cast<uint32_t>(get_16(wire, at)) << 16 | get_16(wire, at + 2); }

std::string header(uint16_t id, uint16_t flags, uint16_t questions, uint16_t updates) {
  return put_16(id) + put_16(flags) + put_16(questions) + put_16(0) + put_16(updates) + put_16(0);
}

// A label may hold any octet; what could be taken for something else is shown as '?', which no name here contains.
void append_label(std::string& name, std::string_view label) {
  if (!name.empty()) name += '.';
  for (const char c : label) {
    const bool is_plain = c > 0x20 && c < 0x7f && c != '.' && c != '\\';
    name += !is_plain ? '?' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
}

bool read_text(DnsRecord& record) {
  for (size_t at = 0; at < record.data.size();) {
    const size_t length = static_cast<unsigned char>(record.data[at]);
    if (at + 1 + length > record.data.size()) return false;
    record.text.append(record.data, at + 1, length);
    at += 1 + length;
  }
  return true;
}

bool read_record(std::string_view wire, size_t& at, DnsRecord& record) {
  record.offset = at;
  auto name = read_name(wire, at);
  if (!name || at + 10 > wire.size()) return false;
  record.name = std::move(*name);
  record.type = get_16(wire, at);
  record.record_class = get_16(wire, at + 2);
  record.ttl_s = get_32(wire, at + 4);
  const size_t length = get_16(wire, at + 8);
  at += 10;
  if (at + length > wire.size()) return false;
  record.data = std::string(wire.substr(at, length));
  if (record.is(DnsType::ns) || record.is(DnsType::cname) || record.is(DnsType::soa)) {
    size_t inside = at;
    auto target = read_name(wire, inside);
    if (!target || inside > at + length) return false;
    record.target = std::move(*target);
  }
  at += length;
  return !record.is(DnsType::txt) || read_text(record);
}

}  // namespace

std::string put_16(uint16_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string put_32(uint32_t value) { return put_16(static_cast<uint16_t>(value >> 16)) + put_16(static_cast<uint16_t>(value)); }

std::optional<std::string> wire_name(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  std::string wire;
  for (size_t from = 0; from <= name.size() && !name.empty();) {
    const size_t dot = std::min(name.find('.', from), name.size());
    const std::string_view label = name.substr(from, dot - from);
    if (label.empty() || label.size() > 63) return std::nullopt;
    wire += static_cast<char>(label.size());
    for (const char c : label) wire += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    from = dot + 1;
  }
  wire += '\0';
  return wire.size() > 255 ? std::nullopt : std::optional<std::string>(std::move(wire));
}

std::optional<std::string> read_name(std::string_view wire, size_t& at) {
  std::string name;
  size_t from = at;
  bool jumped = false;
  for (int jumps = 0; from < wire.size();) {
    const auto length = static_cast<unsigned char>(wire[from]);
    if (length == 0) {
      if (!jumped) at = from + 1;
      return name;
    }
    if ((length & 0xc0) == 0xc0) {
      if (from + 2 > wire.size() || ++jumps > most_jumps) return std::nullopt;
      const size_t target = get_16(wire, from) & 0x3fffu;
      if (!jumped) at = from + 2;
      jumped = true;
      if (target >= from) return std::nullopt;  // only back, so that it ends
      from = target;
      continue;
    }
    if (length > 63 || from + 1 + length > wire.size() || name.size() + length > 254) return std::nullopt;
    append_label(name, wire.substr(from + 1, length));
    from += 1 + size_t{length};
  }
  return std::nullopt;
}

Outcome<DnsMessage> read_dns_message(std::string_view wire) {
  if (wire.size() < header_bytes) return message_fault("is shorter than a header");
  DnsMessage message;
  message.id = get_16(wire, 0);
  const uint16_t flags = get_16(wire, 2);
  message.is_answer = (flags & 0x8000) != 0;
  message.opcode = static_cast<uint8_t>(flags >> 11 & 0x0f);
  message.is_authoritative = (flags & 0x0400) != 0;
  message.is_truncated = (flags & 0x0200) != 0;
  message.rcode = static_cast<uint8_t>(flags & 0x0f);
  size_t at = header_bytes;
  const size_t questions = get_16(wire, 4);
  for (size_t i = 0; i < questions; ++i) {
    if (!read_name(wire, at) || at + 4 > wire.size()) return message_fault("has a broken question");
    at += 4;
  }
  const std::array<std::pair<std::vector<DnsRecord>*, size_t>, 3> sections = {{{&message.answers, 6}, {&message.authorities, 8}, {&message.additional, 10}}};
  size_t records = 0;
  for (const auto& [section, count_at] : sections) {
    const size_t count = get_16(wire, count_at);
    for (size_t i = 0; i < count; ++i) {
      if (++records > most_records) return message_fault("has more records than any answer here needs");
      DnsRecord record;
      if (!read_record(wire, at, record)) return message_fault("has a broken record");
      section->push_back(std::move(record));
    }
  }
  return message;
}

std::string rcode_text(uint8_t rcode) {
  static constexpr std::array names = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};
  return rcode < names.size() ? names[rcode] : "code " + std::to_string(rcode);
}

std::string write_question(uint16_t id, std::string_view name, DnsType type) {
  return header(id, 0, 1, 0) + wire_name(name).value() + put_16(static_cast<uint16_t>(type)) + put_16(class_in);
}

std::string write_update(uint16_t id, const DnsChange& change) {
  std::string data(1, static_cast<char>(change.text.size()));
  data += change.text;
  // RFC 2136 2.5.1 and 2.5.4: class and TTL tell an addition from the removal of just this record.
  return header(id, opcode_update << 11, 1, 1) + wire_name(change.zone).value() + put_16(static_cast<uint16_t>(DnsType::soa)) + put_16(class_in) + wire_name(change.name).value() +
         put_16(static_cast<uint16_t>(DnsType::txt)) + put_16(change.is_removal ? class_none : class_in) + put_32(change.is_removal ? 0 : change.ttl_s) +
         put_16(static_cast<uint16_t>(data.size())) + data;
}

}  // namespace sallyport::acme
