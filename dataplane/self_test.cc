// SPDX-License-Identifier: Apache-2.0
#include "dataplane/self_test.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "dataplane/control_datagram.h"
#include "dataplane/srtp_burst.h"
#include "dataplane/srtp_keys.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t payload_bytes = 160;
constexpr uint32_t rtp_bytes = 12 + payload_bytes;

bool report(const std::string& name, bool passed) {
  std::printf("%-40s %s\n", name.c_str(), passed ? "ok" : "FAILED");
  return passed;
}

// A 32-byte key of 0x0b and "Hi There": the HMAC as computed by OpenSSL 3.0.
bool check_hmac() {
  const auto mac = ControlMac::create();
  if (!mac) return report("hmac-sha256", false);
  const uint8_t expected[] = {0x19, 0x8a, 0x60, 0x7e, 0xb4, 0x4b, 0xfb, 0xc6};
  uint8_t key[32], digest[32];
  std::memset(key, 0x0b, sizeof key);
  const char* text = "Hi There";
  mac->hmac(key, {reinterpret_cast<const uint8_t*>(text), 8}, digest);
  return report("hmac-sha256", std::memcmp(digest, expected, sizeof expected) == 0);
}

void make_packet(uint8_t* packet, uint16_t seq) {
  std::memset(packet, 0x5a, rtp_bytes);
  const uint8_t header[12] = {0x80, 0, static_cast<uint8_t>(seq >> 8), static_cast<uint8_t>(seq), 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef};
  std::memcpy(packet, header, sizeof header);
}

bool check_suite(drivers::CryptoEngine& engine, SrtpSuite suite) {
  const SrtpSuiteInfo& info = srtp_suite_info(suite);
  uint8_t key[kMaxMasterKeyBytes], salt[kMaxMasterSaltBytes];
  for (size_t i = 0; i < sizeof key; ++i) key[i] = static_cast<uint8_t>(i * 7 + 1);
  for (size_t i = 0; i < sizeof salt; ++i) salt[i] = static_cast<uint8_t>(i * 3 + 2);
  const auto keys = SrtpKeys::from_bytes(suite, {key, info.key_length_bytes}, {salt, info.salt_length_bytes});
  const std::string name = "srtp " + std::string(info.sdes_name);
  if (!keys) return report(name, false);
  auto context = std::make_unique<SrtpContext>();
  context->expand(engine, *keys, SrtpUse::rtp);
  auto sealing = std::make_unique<SrtpStreamState>(), opening = std::make_unique<SrtpStreamState>();
  std::memset(sealing.get(), 0, sizeof *sealing);
  std::memset(opening.get(), 0, sizeof *opening);
  SrtpBurst burst(engine);
  uint8_t packet[rtp_bytes + 64], clear[rtp_bytes];
  make_packet(packet, 100);
  std::memcpy(clear, packet, sizeof clear);
  SrtpJob job{packet, rtp_bytes, 64, context.get(), sealing.get(), SrtpVerdict::malformed};
  burst.seal({&job, 1});
  bool passed = job.verdict == SrtpVerdict::ok && std::memcmp(packet + 12, clear + 12, payload_bytes) != 0;
  uint8_t sealed[sizeof packet];
  std::memcpy(sealed, packet, sizeof sealed);
  const uint32_t sealed_bytes = job.length_bytes;
  const auto open = [&](bool tamper) {
    std::memcpy(packet, sealed, sizeof packet);
    if (tamper) packet[20] ^= 1;
    job = SrtpJob{packet, sealed_bytes, 0, context.get(), opening.get(), SrtpVerdict::malformed, false};
    burst.open({&job, 1});
    return job.verdict;
  };
  passed &= open(true) == SrtpVerdict::auth_failed;
  passed &= open(false) == SrtpVerdict::ok && job.length_bytes == rtp_bytes && std::memcmp(packet, clear, rtp_bytes) == 0;
  passed &= open(false) == SrtpVerdict::replay;
  return report(name, passed);
}

}  // namespace

bool run_self_test() {
  auto engine = drivers::CryptoEngine::create();
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.fault().text().c_str());
    return false;
  }
  std::printf("crypto engine: %s\n", engine->variant().name);
  bool passed = check_hmac();
  for (uint8_t number = 1; number <= 5; ++number) passed &= check_suite(*engine, static_cast<SrtpSuite>(number));
  return passed;
}

}  // namespace sallyport::dataplane
