// SPDX-License-Identifier: Apache-2.0
#pragma once
// RefusedNames: whose certificate clients refuse, told by the alert they send instead of going on (requirement C08). By the name they asked
// for, with how often, by how many addresses lately, and the latest of them. Bounded: of names beyond `most_names` only the sum is kept. Strangers can send such alerts as they like: what is lately refused from several addresses only is worth an alarm. Any thread.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/tls/socket_address.h"
#include "controlplane/tls/tls_policy.h"

namespace sallyport::tls {

inline constexpr std::string_view name_beyond = "(others)";

struct RefusedName {
  std::string name;  // lower case; empty: the client asked for none
  uint64_t times = 0;
  int alert = -1;    // of the latest, RFC 8446 section 6
  std::string text;  // what it means, with serial and issuer of the certificate that was shown
  SocketAddress source;
  int64_t at_s = 0;        // Unix time of the latest
  size_t sources = 0;      // addresses within the last hour, counted up to sources_kept
};

class RefusedNames {
 public:
  static constexpr size_t most_names = 64;
  static constexpr size_t sources_kept = 8;
  static constexpr std::chrono::seconds lately{3600};

  // False: the failure is none of these, and nothing was counted.
  bool note(const SocketAddress& source, const HandshakeFailure& failure, int64_t now_s);
  std::vector<RefusedName> list(int64_t now_s) const;  // most refused first; at most one of them name_beyond

 private:
  struct Seen {
    std::string address;
    int64_t at_s = 0;
  };
  struct Entry {
    RefusedName said;
    std::array<Seen, sources_kept> seen;  // address empty: free
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace sallyport::tls
