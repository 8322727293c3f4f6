// SPDX-License-Identifier: Apache-2.0
#pragma once
// Address: an IP address and UDP port in fixed width, as it stands in the shared region and in commands. Plain data; any thread.

#include <cstdint>
#include <cstring>

namespace sallyport::abi {

struct Address {
  uint8_t family = 0;    // 0 none, 4, 6
  uint8_t reserved = 0;
  uint16_t port = 0;     // host byte order
  uint8_t ip[16] = {};   // network byte order; IPv4 uses the first four bytes, the rest is zero

  // Family, port and, of IPv4, the address: of two IPv4 addresses equal when they are; never 0 when set.
  uint64_t first_word() const {
    uint64_t word;
    std::memcpy(&word, this, sizeof word);
    return word;
  }
  bool is_set() const { return family != 0; }
  bool same_ip(const Address& other) const {
    return family == other.family && std::memcmp(ip, other.ip, sizeof ip) == 0;
  }
  bool operator==(const Address& other) const { return port == other.port && same_ip(other); }
};
static_assert(sizeof(Address) == 20);

}  // namespace sallyport::abi
