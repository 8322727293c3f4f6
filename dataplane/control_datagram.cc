// SPDX-License-Identifier: Apache-2.0
#include "dataplane/control_datagram.h"

#include <intel-ipsec-mb.h>

#include <bit>
#include <cstring>

#include "dataplane/abi/multiplex_id.h"
#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

namespace {
constexpr size_t block_bytes = 64;
constexpr size_t digest_bytes = 32;
constexpr size_t message_limit = 96;
constexpr size_t signed_bytes = 4 + sizeof(abi::ControlBody);
}  // namespace

void ControlMac::Deleter::operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }

Outcome<ControlMac> ControlMac::create() {
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return Fault{FaultCode::exhausted, "crypto engine", "no memory for a manager", ""};
  init_mb_mgr_auto(manager, nullptr);
  if (imb_get_errno(manager) != 0) {
    const Fault fault{FaultCode::refused, "crypto engine", imb_get_strerror(imb_get_errno(manager)), "the CPU needs AES-NI"};
    free_mb_mgr(manager);
    return fault;
  }
  return ControlMac(manager);
}

void ControlMac::hmac(const uint8_t* key, std::span<const uint8_t> message, uint8_t* digest32) const {
  uint8_t inner[block_bytes + message_limit];
  uint8_t outer[block_bytes + digest_bytes];
  std::memset(inner, 0x36, block_bytes);
  std::memset(outer, 0x5c, block_bytes);
  for (size_t i = 0; i < digest_bytes; ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  const size_t length = message.size() < message_limit ? message.size() : message_limit;
  std::memcpy(inner + block_bytes, message.data(), length);
  IMB_SHA256(manager_.get(), inner, block_bytes + length, outer + block_bytes);
  IMB_SHA256(manager_.get(), outer, sizeof outer, digest32);
  explicit_bzero(inner, sizeof inner);
  explicit_bzero(outer, sizeof outer);
}

void write_control(const ControlMac& mac, const uint8_t* key, const ControlMessage& message, uint8_t* out) {
  abi::ControlBody body{};
  body.type = message.type;
  body.version = 1;
  body.worker = message.worker;
  body.workers = message.workers;
  body.multiplex_id_be = __builtin_bswap32(message.multiplex_id);
  body.session_be = __builtin_bswap64(message.session);
  body.counter_be = __builtin_bswap64(message.counter);
  body.echo_be = __builtin_bswap64(message.echo);
  store_be32(out, abi::control_multiplex_id);
  std::memcpy(out + 4, &body, sizeof body);
  uint8_t digest[digest_bytes];
  mac.hmac(key, {out, signed_bytes}, digest);
  std::memcpy(out + signed_bytes, digest, abi::control_tag_bytes);
}

bool read_control(std::span<const uint8_t> datagram, ControlMessage& message) {
  if (datagram.size() != control_datagram_bytes) return false;
  abi::ControlBody body;
  std::memcpy(&body, datagram.data() + 4, sizeof body);
  const auto type = static_cast<uint8_t>(body.type);
  if (body.version != 1 || type < 1 || type > 4) return false;
  if (body.workers == 0 || body.workers > abi::max_link_workers || body.worker >= body.workers) return false;
  message.type = body.type;
  message.worker = body.worker;
  message.workers = body.workers;
  message.multiplex_id = __builtin_bswap32(body.multiplex_id_be);
  message.session = __builtin_bswap64(body.session_be);
  message.counter = __builtin_bswap64(body.counter_be);
  message.echo = __builtin_bswap64(body.echo_be);
  return true;
}

bool is_genuine(const ControlMac& mac, const uint8_t* key, std::span<const uint8_t> datagram) {
  if (datagram.size() != control_datagram_bytes) return false;
  uint8_t digest[digest_bytes];
  mac.hmac(key, datagram.first(signed_bytes), digest);
  uint8_t difference = 0;  // constant time: no early end
  for (size_t i = 0; i < abi::control_tag_bytes; ++i) difference |= digest[i] ^ datagram[signed_bytes + i];
  return difference == 0;
}

}  // namespace sallyport::dataplane
