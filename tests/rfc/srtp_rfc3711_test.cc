// SPDX-License-Identifier: Apache-2.0
// RFC 3711 appendix B: AES counter mode and key derivation.
#include "tests/rfc/srtp_vector.h"

namespace sallyport::dataplane {
namespace {

constexpr std::string_view kSessionKey = "2B7E151628AED2A6ABF7158809CF4F3C";
constexpr std::string_view kSessionSalt = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD";
constexpr std::string_view kFirstBlocks =
    "e03ead0935c95e80e166b16dd92b4eb4"
    "d23513162b02d0f72a43a2fe4a5f97ab"
    "41e95b3bb0a2e8dd477901e4fca894c0";

using SrtpRfc3711 = SrtpVector;

TEST_F(SrtpRfc3711, B2CounterModeKeyStreamBeginsAsPrinted) {
  EXPECT_EQ(key_stream(kSessionKey, kSessionSalt, 0, 3), kFirstBlocks);
}

TEST_F(SrtpRfc3711, B2CounterModeKeyStreamEndsAsPrinted) {
  EXPECT_EQ(key_stream(kSessionKey, kSessionSalt, 0xfeff, 3),
            "ec8cdf7398607cb0f2d21675ea9ea1e4"
            "362b7c3c6773516318a077d7fc5073ae"
            "6a2cc3787889374fbeb4c81b17ba6c44");
}

TEST_F(SrtpRfc3711, B2KeyStreamCoversASealedPacketOfZeros) {
  SrtpSessionKeys session;
  SrtpContext context;
  context.expand_session(engine_, SrtpSuite::aes_cm_128_hmac_sha1_80,
                         fill_session_keys(session, kSessionKey, kSessionSalt), SrtpUse::rtp);
  Bytes packet = bytes_of("80000000 00000000 00000000");
  packet.resize(packet.size() + 48);
  SrtpStreamState state{};
  const Bytes sealed = pass(Direction::seal, context, state, packet);
  ASSERT_EQ(sealed.size(), 12u + 48 + 10);
  EXPECT_EQ(hex_of(std::span(sealed).subspan(12, 48)), kFirstBlocks);
}

TEST_F(SrtpRfc3711, B3KeyDerivationGivesTheSessionKeysPrinted) {
  auto keys = SrtpKeys::from_bytes(SrtpSuite::aes_cm_128_hmac_sha1_80, bytes_of("E1F97A0D3E018BE0D64FA32C06DE4139"),
                                   bytes_of("0EC675AD498AFEEBB6960B3AABE6"));
  ASSERT_TRUE(keys.has_value());
  SrtpSessionKeys session;
  derive_session_keys(engine_, *keys, SrtpUse::rtp, session);
  EXPECT_EQ(hex_of({session.cipher_key, 16}), "c61e7a93744f39ee10734afe3ff7a087");
  EXPECT_EQ(hex_of({session.salt, 14}), "30cbbc08863d8c85d49db34a9ae1");
  EXPECT_EQ(hex_of({session.auth_key, 20}), "cebe321f6ff7716b6fd4ab49af256a156d38baa4");
}

}  // namespace
}  // namespace sallyport::dataplane
