// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answer: what one DNS question brought, in our own records, and the functions that read it from c-ares's results.
// Private to this folder. Replies are hostile input: c-ares parses them, counts and TTLs are bounded here.

#include <optional>
#include <string>
#include <vector>

#include "controlplane/dns/resolver.h"

struct ares_addrinfo;

namespace sallyport::dns {

enum class QuestionKind : uint8_t { host_any, host_v4, host_v6, srv, naptr };

struct Answer {
  std::vector<HostRecord> hosts;
  std::vector<SrvRecord> srv;
  std::vector<NaptrRecord> naptr;
  std::optional<Fault> fault;
  uint32_t ttl_s = 0;
};

Fault question_fault(const std::string& name, QuestionKind kind, int ares_status);
Answer read_hosts(const ares_addrinfo* result);
// ttl_s: the smallest TTL of the answer section.
Answer read_srv(const std::string& name, const unsigned char* reply, int length);
Answer read_naptr(const std::string& name, const unsigned char* reply, int length);

}  // namespace sallyport::dns
