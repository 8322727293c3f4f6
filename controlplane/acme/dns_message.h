// SPDX-License-Identifier: Apache-2.0
#pragma once
// DNS messages as dns-01 needs them: questions and updates are written, answers are read (RFC 1035, RFC 2136). What is read is
// hostile: every length is checked, compression pointers only lead back, counts are bounded. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::acme {

enum class DnsType : uint16_t { a = 1, ns = 2, cname = 5, soa = 6, txt = 16, tsig = 250, any = 255 };

struct DnsRecord {
  std::string name;  // lower case, without the last dot
  uint16_t type = 0, record_class = 0;
  uint32_t ttl_s = 0;
  std::string data;    // raw
  std::string target;  // of NS, CNAME and SOA: the first name in it
  std::string text;    // of TXT: its strings, joined
  size_t offset = 0;   // where it begins in the message

  bool is(DnsType wanted) const { return type == static_cast<uint16_t>(wanted); }
};

struct DnsMessage {
  uint16_t id = 0;
  uint8_t opcode = 0, rcode = 0;
  bool is_answer = false, is_authoritative = false, is_truncated = false;
  std::vector<DnsRecord> answers, authorities, additional;
};

Outcome<DnsMessage> read_dns_message(std::string_view wire);
// "NXDOMAIN" and the like.
std::string rcode_text(uint8_t rcode);

// Labels with lengths; nullopt: a label is empty or longer than 63, or the whole longer than 255 octets.
std::optional<std::string> wire_name(std::string_view name);
// The name at `at`, which is moved behind it, as text; nullopt: it is broken.
std::optional<std::string> read_name(std::string_view wire, size_t& at);

std::string put_16(uint16_t value);
std::string put_32(uint32_t value);

struct DnsChange {
  std::string zone, name, text;  // one TXT record
  bool is_removal = false;
  uint32_t ttl_s = 60;
};

// Precondition of both: the names have passed wire_name().
std::string write_question(uint16_t id, std::string_view name, DnsType type);
std::string write_update(uint16_t id, const DnsChange& change);

}  // namespace sallyport::acme
