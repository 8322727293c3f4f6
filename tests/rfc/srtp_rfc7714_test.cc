// SPDX-License-Identifier: Apache-2.0
// RFC 7714 sections 16 (SRTP) and 17 (SRTCP): AES-GCM with session keys as printed, in rows.
#include "tests/rfc/srtp_vector.h"

namespace sallyport::dataplane {
namespace {

constexpr std::string_view kKey128 = "000102030405060708090a0b0c0d0e0f";
constexpr std::string_view kKey256 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr std::string_view kSalt = "517569642070726f2071756f";
constexpr uint32_t kSrtcpIndex = 0x5d4;
constexpr uint32_t kMarsSsrc = 0x4d617273;

// "Gallia est omnis divisa in partes tres"
constexpr std::string_view kRtp =
    "8040f17b8041f8d35501a0b2"
    "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
// The packet the subsections of 17 work on; the one their preamble prints differs from it.
constexpr std::string_view kRtcp =
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

struct Row {
  const char* section;
  SrtpSuite suite;
  std::string_view key;
  SrtpUse use;
  std::string_view clear;
  std::string_view sealed;
  bool is_sealable;  // we never send SRTCP with the E bit clear
};

constexpr Row kRows[] = {
    {"16.1", SrtpSuite::aead_aes_128_gcm, kKey128, SrtpUse::rtp, kRtp,
     "8040f17b8041f8d35501a0b2"
     "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
     "899d7f27beb16a9152cf765ee4390cce",
     true},
    {"16.2", SrtpSuite::aead_aes_256_gcm, kKey256, SrtpUse::rtp, kRtp,
     "8040f17b8041f8d35501a0b2"
     "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
     "7aa3db36dfffd6b0f9bb7878d7a76c13",
     true},
    {"17.1", SrtpSuite::aead_aes_128_gcm, kKey128, SrtpUse::rtcp, kRtcp,
     "81c8000d4d617273"
     "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b"
     "c84aa45896cf4d2fc5abf87245d9eade"
     "800005d4",
     true},
    {"17.2", SrtpSuite::aead_aes_256_gcm, kKey256, SrtpUse::rtcp, kRtcp,
     "81c8000d4d617273"
     "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad"
     "1d1eb30c4446839f57ff6f6cb26ac3be"
     "800005d4",
     true},
    {"17.3", SrtpSuite::aead_aes_128_gcm, kKey128, SrtpUse::rtcp, kRtcp,
     "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
     "841dd9683dd78ec92ae58790125f62b3"
     "000005d4",
     false},
    {"17.4", SrtpSuite::aead_aes_256_gcm, kKey256, SrtpUse::rtcp, kRtcp,
     "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
     "91db4afbfeee5a978fab4393ed2615fe"
     "000005d4",
     false},
};

class SrtpRfc7714 : public SrtpVector, public testing::WithParamInterface<Row> {
 protected:
  void expand(SrtpContext& context) {
    SrtpSessionKeys session;
    context.expand_session(engine_, GetParam().suite, fill_session_keys(session, GetParam().key, kSalt), GetParam().use);
  }
};

TEST_P(SrtpRfc7714, SealedPacketOpensToTheOnePrinted) {
  SrtpContext context;
  expand(context);
  SrtpStreamState state{};
  EXPECT_EQ(hex_of(pass(Direction::open, context, state, bytes_of(GetParam().sealed))), GetParam().clear);
}

TEST_P(SrtpRfc7714, ClearPacketSealsToTheOnePrinted) {
  if (!GetParam().is_sealable) {
    // What can be said of the E bit clear: any byte changed is refused.
    SrtpContext context;
    expand(context);
    const Bytes sealed = bytes_of(GetParam().sealed);
    for (size_t at = 0; at < sealed.size(); ++at) {
      SrtpStreamState state{};
      Bytes forged = sealed;
      forged[at] ^= 0x01;
      EXPECT_TRUE(pass(Direction::open, context, state, forged).empty()) << "byte " << at;
    }
    return;
  }
  SrtpContext context;
  expand(context);
  SrtpStreamState state{};
  if (GetParam().use == SrtpUse::rtcp) {
    // As if index 0x5d3 had been the last one sent.
    state.ssrcs[0] = kMarsSsrc;
    state.live_mask = 1;
    state.live[0].has_rtcp = 1;
    state.live[0].srtcp_index = kSrtcpIndex - 1;
  }
  EXPECT_EQ(hex_of(pass(Direction::seal, context, state, bytes_of(GetParam().clear))), GetParam().sealed);
}

INSTANTIATE_TEST_SUITE_P(Sections, SrtpRfc7714, testing::ValuesIn(kRows), [](const auto& row) {
  std::string name = "S";
  for (const char* at = row.param.section; *at; ++at) name += *at == '.' ? '_' : *at;
  return name;
});

}  // namespace
}  // namespace sallyport::dataplane
