// SPDX-License-Identifier: Apache-2.0
// RFC 6188 section 7: AES-256 counter mode and key derivation.
#include "tests/rfc/srtp_vector.h"

namespace sallyport::dataplane {
namespace {

constexpr std::string_view kSessionKey =
    "57f82fe3613fd170a85ec93c40b1f092"
    "2ec4cb0dc025b58272147cc438944a98";
constexpr std::string_view kSessionSalt = "f0f1f2f3f4f5f6f7f8f9fafbfcfd";
constexpr std::string_view kFirstBlocks =
    "92bdd28a93c3f52511c677d08b5515a4"
    "9da71b2378a854f67050756ded165bac"
    "63c4868b7096d88421b563b8c94c9a31";

using SrtpRfc6188 = SrtpVector;

TEST_F(SrtpRfc6188, S71Aes256KeyStreamBeginsAsPrinted) {
  EXPECT_EQ(key_stream(kSessionKey, kSessionSalt, 0, 3), kFirstBlocks);
}

TEST_F(SrtpRfc6188, S71Aes256KeyStreamEndsAsPrinted) {
  EXPECT_EQ(key_stream(kSessionKey, kSessionSalt, 0xfeff, 3),
            "cea518c90fd91ced9cbb18c078a54711"
            "3dbc4814f4da5f00a08772b63c6a046d"
            "6eb246913062a16891433e97dd01a57f");
}

TEST_F(SrtpRfc6188, S71KeyStreamCoversASealedPacketOfZeros) {
  SrtpSessionKeys session;
  SrtpContext context;
  context.expand_session(engine_, SrtpSuite::aes_256_cm_hmac_sha1_80,
                         fill_session_keys(session, kSessionKey, kSessionSalt), SrtpUse::rtp);
  Bytes packet = bytes_of("80000000 00000000 00000000");
  packet.resize(packet.size() + 48);
  SrtpStreamState state{};
  const Bytes sealed = pass(Direction::seal, context, state, packet);
  ASSERT_EQ(sealed.size(), 12u + 48 + 10);
  EXPECT_EQ(hex_of(std::span(sealed).subspan(12, 48)), kFirstBlocks);
}

TEST_F(SrtpRfc6188, S72Aes256KeyDerivationGivesTheSessionKeysPrinted) {
  auto keys = SrtpKeys::from_bytes(SrtpSuite::aes_256_cm_hmac_sha1_80,
                                   bytes_of("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6"),
                                   bytes_of("3b04803de51ee7c96423ab5b78d2"));
  ASSERT_TRUE(keys.has_value());
  SrtpSessionKeys session;
  derive_session_keys(engine_, *keys, SrtpUse::rtp, session);
  EXPECT_EQ(hex_of({session.cipher_key, 32}), "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
  EXPECT_EQ(hex_of({session.salt, 14}), "fa31791685ca444a9e07c6c64e93");
  EXPECT_EQ(hex_of({session.auth_key, 20}), "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
}

}  // namespace
}  // namespace sallyport::dataplane
