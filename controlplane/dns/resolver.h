// SPDX-License-Identifier: Apache-2.0
#pragma once
// Resolver: DNS for the control plane, c-ares on Asio's reactor; on the thread of its io_context only.
// Answers are cached for their TTL within bounds, failures for a short time; equal questions asked together go out once.
// Destroying it ends pending questions with a Fault. Every question has a deadline.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::dns {

enum class Family : uint8_t { any, v4, v6 };

struct HostRecord {
  std::string address;  // numeric text
  bool is_v6 = false;
  uint32_t ttl_s = 0;
};

struct SrvRecord {
  std::string target;  // without trailing dot, lower case
  uint16_t port = 0;
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint32_t ttl_s = 0;
};

struct NaptrRecord {
  uint16_t order = 0;
  uint16_t preference = 0;
  std::string flags, service, regexp, replacement;
  uint32_t ttl_s = 0;
};

// A draw in [0, bound], both included (RFC 2782 counts so).
using DrawFunction = std::function<uint32_t(uint32_t bound)>;

// RFC 2782: by priority, within one priority a weighted draw. Public for tests and for callers that keep the records.
void order_srv(std::vector<SrvRecord>& records, const DrawFunction& draw);

struct ResolverOptions {
  std::vector<std::string> servers;  // "192.0.2.53:53", "[2001:db8::53]:53"; empty: /etc/resolv.conf
  std::chrono::milliseconds deadline{5000};
  std::chrono::milliseconds server_timeout{1500};
  int tries = 2;
  size_t cache_entries = 4096;
  uint32_t max_ttl_s = 3600;
  uint32_t min_ttl_s = 1;
  uint32_t negative_ttl_s = 10;
  DrawFunction draw;  // default: a seeded generator of its own
};

struct ResolverCounters {
  uint64_t questions = 0, cache_hits = 0, negative_hits = 0, joined = 0, failed = 0, timed_out = 0;
};

class Resolver {
 public:
  static Outcome<std::unique_ptr<Resolver>> create(boost::asio::io_context& context, ResolverOptions options = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // An IP address is returned as it is. Fault missing: the name does not exist or has no such record; timeout; unreachable.
  boost::asio::awaitable<Outcome<std::vector<HostRecord>>> resolve_host(std::string name, Family family = Family::any);
  // Ordered anew on each call, also from the cache. A single target "." (service not offered) is Fault refused.
  boost::asio::awaitable<Outcome<std::vector<SrvRecord>>> resolve_srv(std::string name);
  // By order, then preference.
  boost::asio::awaitable<Outcome<std::vector<NaptrRecord>>> resolve_naptr(std::string name);

  // Reads resolv.conf again, or takes new servers; empties the cache. All or nothing.
  Outcome<> reload();
  Outcome<> reload(std::vector<std::string> servers);
  void clear_cache();
  size_t cache_size() const;
  const ResolverCounters& counters() const;

 private:
  struct State;
  explicit Resolver(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::dns
