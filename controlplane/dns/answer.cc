// SPDX-License-Identifier: Apache-2.0
#include "controlplane/dns/answer.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <limits>

namespace sallyport::dns {
namespace {

constexpr size_t max_records = 256;

// c-ares 1.18 drops the TTLs of SRV and NAPTR records, so the answer section is walked once more for the smallest.
uint32_t smallest_ttl(const unsigned char* reply, int length) {
  if (length < 12) return 0;
  const int questions = reply[4] << 8 | reply[5];
  const int answers = reply[6] << 8 | reply[7];
  const unsigned char* at = reply + 12;
  const unsigned char* const end = reply + length;
  const auto skip_name = [&] {
    char* name = nullptr;
    long encoded = 0;
    if (at >= end || ares_expand_name(at, reply, length, &name, &encoded) != ARES_SUCCESS) return false;
    ares_free_string(name);
    at += encoded;
    return true;
  };
  for (int i = 0; i < questions; ++i) {
    if (!skip_name() || end - at < 4) return 0;
    at += 4;
  }
  uint32_t smallest = std::numeric_limits<uint32_t>::max();
  for (int i = 0; i < answers; ++i) {
    if (!skip_name() || end - at < 10) return 0;
    const uint32_t ttl = static_cast<uint32_t>(at[4]) << 24 | static_cast<uint32_t>(at[5]) << 16 | static_cast<uint32_t>(at[6]) << 8 | at[7];
    const int data_length = at[8] << 8 | at[9];
    at += 10;
    if (end - at < data_length) return 0;
    at += data_length;
    smallest = std::min(smallest, ttl);
  }
  return answers == 0 ? 0 : smallest;
}

std::string plain_name(const char* name) {
  std::string text = name == nullptr ? "" : name;
  if (text.size() > 1 && text.back() == '.') text.pop_back();
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

const char* kind_text(QuestionKind kind) {
  switch (kind) {
    case QuestionKind::host_any: return "A or AAAA";
    case QuestionKind::host_v4: return "A";
    case QuestionKind::host_v6: return "AAAA";
    case QuestionKind::srv: return "SRV";
    case QuestionKind::naptr: return "NAPTR";
  }
  return "";
}

}  // namespace

Fault question_fault(const std::string& name, QuestionKind kind, int status) {
  const std::string subject = std::string("DNS ") + kind_text(kind) + " of " + name;
  switch (status) {
    case ARES_ENOTFOUND: return {FaultCode::missing, subject, "the name does not exist", "correct the name, or add it to DNS"};
    case ARES_ENODATA: return {FaultCode::missing, subject, "the name has no such record", "add the record to DNS"};
    case ARES_ETIMEOUT: return {FaultCode::timeout, subject, "no DNS server answered in time", "check the configured servers and UDP and TCP port 53"};
    case ARES_ECONNREFUSED: return {FaultCode::unreachable, subject, "the DNS servers refuse connections", "check the configured servers"};
    case ARES_ESERVFAIL: return {FaultCode::unreachable, subject, "the DNS server failed (SERVFAIL)", "check the zone and its DNSSEC signatures"};
    case ARES_EREFUSED: return {FaultCode::refused, subject, "the DNS server refuses our questions", "allow this node's address on the server"};
    case ARES_EBADNAME: return {FaultCode::invalid, subject, "is not a DNS name", "correct the name"};
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED: return {FaultCode::refused, subject, "the resolver was stopped", ""};
    default: return {FaultCode::unreachable, subject, ares_strerror(status), "check the configured servers"};
  }
}

Answer read_hosts(const ares_addrinfo* result) {
  Answer answer;
  answer.ttl_s = std::numeric_limits<uint32_t>::max();
  for (const ares_addrinfo_node* node = result->nodes; node != nullptr && answer.hosts.size() < max_records; node = node->ai_next) {
    char text[INET6_ADDRSTRLEN] = "";
    HostRecord record;
    record.is_v6 = node->ai_family == AF_INET6;
    const void* address = record.is_v6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(node->ai_addr)->sin6_addr)
                                       : &reinterpret_cast<const sockaddr_in*>(node->ai_addr)->sin_addr;
    if (inet_ntop(node->ai_family, address, text, sizeof text) == nullptr) continue;
    record.address = text;
    record.ttl_s = static_cast<uint32_t>(std::max(0, node->ai_ttl));
    answer.ttl_s = std::min(answer.ttl_s, record.ttl_s);
    answer.hosts.push_back(std::move(record));
  }
  return answer;
}

Answer read_srv(const std::string& name, const unsigned char* reply, int length) {
  Answer answer;
  ares_srv_reply* records = nullptr;
  const int status = ares_parse_srv_reply(reply, length, &records);
  answer.ttl_s = smallest_ttl(reply, length);
  for (const ares_srv_reply* record = records; record != nullptr && answer.srv.size() < max_records; record = record->next) {
    answer.srv.push_back({plain_name(record->host), record->port, record->priority, record->weight, answer.ttl_s});
  }
  ares_free_data(records);
  if (status != ARES_SUCCESS || answer.srv.empty()) answer.fault = question_fault(name, QuestionKind::srv, status == ARES_SUCCESS ? ARES_ENODATA : status);
  // RFC 2782: a target of "." says that the service is decidedly not available at this domain.
  else if (answer.srv.size() == 1 && (answer.srv[0].target.empty() || answer.srv[0].target == ".")) {
    answer.fault = Fault{FaultCode::refused, "DNS SRV of " + name, "the domain says that it does not offer this service", "use another domain or transport"};
  }
  return answer;
}

Answer read_naptr(const std::string& name, const unsigned char* reply, int length) {
  Answer answer;
  ares_naptr_reply* records = nullptr;
  const int status = ares_parse_naptr_reply(reply, length, &records);
  answer.ttl_s = smallest_ttl(reply, length);
  const auto text = [](const unsigned char* bytes) { return bytes == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(bytes)); };
  for (const ares_naptr_reply* record = records; record != nullptr && answer.naptr.size() < max_records; record = record->next) {
    answer.naptr.push_back({record->order, record->preference, text(record->flags), text(record->service), text(record->regexp), plain_name(record->replacement), answer.ttl_s});
  }
  ares_free_data(records);
  if (status != ARES_SUCCESS || answer.naptr.empty()) answer.fault = question_fault(name, QuestionKind::naptr, status == ARES_SUCCESS ? ARES_ENODATA : status);
  std::stable_sort(answer.naptr.begin(), answer.naptr.end(), [](const NaptrRecord& a, const NaptrRecord& b) {
    return a.order != b.order ? a.order < b.order : a.preference < b.preference;
  });
  return answer;
}

}  // namespace sallyport::dns
