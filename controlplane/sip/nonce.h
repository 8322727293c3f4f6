// SPDX-License-Identifier: Apache-2.0
#pragma once
// Nonces of the server side of digest: base64url(monotonic time ‖ random ‖ HMAC), so that nothing is stored until one
// is used, and no clock is compared between nodes (RFC 7616 3.3, 5.4). Replays are told by the nonce count in a bounded
// table. One thread per instance. After a restart older nonces are unknown: judged stale, the client answers the next
// challenge without asking its user.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sallyport::sip {

class Nonces {
 public:
  enum class Verdict : std::uint8_t { fresh, stale, replayed };

  // `capacity` bounds the table of nonces in use; the oldest is forgotten, and then judged stale.
  explicit Nonces(const std::array<std::uint8_t, 32>& secret, std::uint64_t lifetime_us = 300'000'000,
                  std::size_t capacity = 4096);

  std::string issue(std::uint64_t now_us);
  // `nonce_count` 0 (no qop) admits a nonce once. Call it only for credentials whose response was right.
  Verdict accept(std::string_view nonce, std::uint32_t nonce_count, std::uint64_t now_us);
  // Whether it is ours and young enough, before any hash is computed for it.
  Verdict check(std::string_view nonce, std::uint64_t now_us) const;

 private:
  struct Use {
    std::uint64_t issued_us;
    std::uint32_t highest;
    std::uint64_t seen;  // bit n: highest - n was seen
  };
  void make_room(std::uint64_t now_us);

  std::array<std::uint8_t, 32> secret_;
  std::uint64_t lifetime_us_;
  std::uint64_t forgotten_before_us_ = 0;  // nonces issued up to here are stale: their counts are no longer known
  std::size_t capacity_;
  std::unordered_map<std::string, Use> used_;
};

}  // namespace sallyport::sip
