// SPDX-License-Identifier: Apache-2.0
#pragma once
// Control datagrams of a media link: keep-alive, confirm and their answers (abi/link.h), authenticated with HMAC-SHA256.
// ControlMac owns an ipsec-mb manager; one lcore each. Reading changes nothing: the caller judges counter and session.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/link.h"

struct IMB_MGR;

namespace sallyport::dataplane {

inline constexpr size_t control_datagram_bytes = 4 + sizeof(abi::ControlBody) + abi::control_tag_bytes;

struct ControlMessage {
  abi::ControlType type = abi::ControlType::keepalive;
  uint8_t worker = 0;
  uint8_t workers = 1;
  uint32_t multiplex_id = 0;
  uint64_t session = 0;
  uint64_t counter = 0;  // lowest bit: 0 on the RTP port, 1 on the RTCP port, so that neither can be replayed on the other
  uint64_t echo = 0;
};

class ControlMac {
 public:
  static Outcome<ControlMac> create();

  // RFC 2104 with SHA-256. The key is 32 bytes, the message at most 96.
  void hmac(const uint8_t* key, std::span<const uint8_t> message, uint8_t* digest32) const;

 private:
  struct Deleter {
    void operator()(IMB_MGR* manager) const;
  };
  explicit ControlMac(IMB_MGR* manager) : manager_(manager) {}
  std::unique_ptr<IMB_MGR, Deleter> manager_;
};

// Writes control_datagram_bytes, multiplexID 0 first.
void write_control(const ControlMac& mac, const uint8_t* key, const ControlMessage& message, uint8_t* out);
// False when it is no control datagram of this version. Nothing is believed before is_genuine().
bool read_control(std::span<const uint8_t> datagram, ControlMessage& message);
bool is_genuine(const ControlMac& mac, const uint8_t* key, std::span<const uint8_t> datagram);

}  // namespace sallyport::dataplane
