// SPDX-License-Identifier: Apache-2.0
// The engine against OpenSSL: any number of jobs, any mixture of lengths, whichever manager they fall to.
#include "drivers/crypto_engine.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sallyport::drivers {
namespace {

using Bytes = std::vector<uint8_t>;

// On every variant up to the CPU's own, so that the rows of the table for older machines are not first run there.
class CryptoEngineTest : public testing::TestWithParam<IMB_ARCH> {
 protected:
  CryptoEngineTest() : engine_(std::move(CryptoEngine::create(GetParam()).value())) {}

  Bytes random_bytes(size_t length) {
    Bytes bytes(length);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
    return bytes;
  }

  std::mt19937_64 random_{5};
  CryptoEngine engine_;
};

struct HashCase {
  Bytes key, message;
  alignas(16) uint8_t ipad[32], opad[32], tag[32];
};

void check_hashes(CryptoEngine& engine, std::vector<HashCase>& cases) {
  std::ranges::sort(cases, [](const auto& one, const auto& other) { return one.message.size() > other.message.size(); });
  std::vector<IMB_JOB> jobs(cases.size());
  for (size_t at = 0; at < cases.size(); ++at) {
    engine.expand_hmac_key(cases[at].key, cases[at].ipad, cases[at].opad);
    CryptoEngine::prepare_sha1_job(jobs[at]);
    jobs[at].src = cases[at].message.data();
    jobs[at].msg_len_to_hash_in_bytes = cases[at].message.size();
    jobs[at].u.HMAC._hashed_auth_key_xor_ipad = cases[at].ipad;
    jobs[at].u.HMAC._hashed_auth_key_xor_opad = cases[at].opad;
    jobs[at].auth_tag_output = cases[at].tag;
  }
  engine.hash_sha1(jobs);
  for (HashCase& one : cases) {
    uint8_t expected[20];
    unsigned length = sizeof expected;
    HMAC(EVP_sha1(), one.key.data(), static_cast<int>(one.key.size()), one.message.data(), one.message.size(), expected, &length);
    ASSERT_TRUE(std::equal(expected, expected + 20, one.tag)) << cases.size() << " jobs, length " << one.message.size();
  }
}

TEST_P(CryptoEngineTest, HmacsOfAnyNumberAndLengthAreRight) {
  for (size_t count = 1; count <= 64; ++count)
    for (const size_t longest : {size_t{20}, size_t{180}, size_t{1500}}) {
      std::vector<HashCase> cases(count);
      for (HashCase& one : cases) {
        one.key = random_bytes(20);
        one.message = random_bytes(12 + random_() % longest);
      }
      check_hashes(engine_, cases);
    }
}

TEST_P(CryptoEngineTest, HmacsOfEqualLengthsAreRight) {
  for (const size_t length : {12u, 54u, 55u, 56u, 63u, 64u, 65u, 119u, 120u, 176u, 1216u, 65000u})
    for (const size_t count : {1u, 2u, 5u, 7u, 15u, 16u, 17u, 31u, 32u, 33u}) {
      std::vector<HashCase> cases(count);
      for (HashCase& one : cases) {
        one.key = random_bytes(20);
        one.message = random_bytes(length);
      }
      check_hashes(engine_, cases);
    }
}

void openssl_ctr(const Bytes& key, const uint8_t* iv, Bytes& text) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int length = 0;
  EVP_EncryptInit_ex(context, key.size() == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr(), nullptr, key.data(), iv);
  EVP_EncryptUpdate(context, text.data(), &length, text.data(), static_cast<int>(text.size()));
  EVP_CIPHER_CTX_free(context);
}

TEST_P(CryptoEngineTest, CounterModeOfAnyLengthIsRight) {
  for (const size_t key_length : {size_t{16}, size_t{32}}) {
    constexpr size_t kCount = 48;
    std::vector<Bytes> texts(kCount), expected(kCount), ivs(kCount);
    struct alignas(16) RoundKeys {
      uint8_t bytes[15 * 16];
    };
    std::vector<RoundKeys> round_keys(kCount);
    std::vector<IMB_JOB> jobs(kCount);
    for (size_t at = 0; at < kCount; ++at) {
      const Bytes key = random_bytes(key_length);
      ivs[at] = random_bytes(16);
      ivs[at][14] = ivs[at][15] = 0;
      texts[at] = random_bytes(1 + random_() % 1500);
      expected[at] = texts[at];
      openssl_ctr(key, ivs[at].data(), expected[at]);
      engine_.expand_aes_key(key.data(), key_length, round_keys[at].bytes);
      CryptoEngine::prepare_ctr_job(jobs[at]);
      jobs[at].enc_keys = jobs[at].dec_keys = round_keys[at].bytes;
      jobs[at].key_len_in_bytes = key_length;
      jobs[at].src = jobs[at].dst = texts[at].data();
      jobs[at].msg_len_to_cipher_in_bytes = texts[at].size();
      jobs[at].iv = ivs[at].data();
    }
    engine_.cipher_ctr(jobs, key_length);
    for (size_t at = 0; at < kCount; ++at) ASSERT_EQ(texts[at], expected[at]) << key_length << " " << at;
  }
}

TEST_P(CryptoEngineTest, WhatGcmSealsOpensAgainUnderTheSameTag) {
  for (const size_t key_length : {size_t{16}, size_t{32}})
    for (const size_t length : {0u, 1u, 16u, 160u, 1200u}) {
      gcm_key_data* data = new (std::align_val_t{64}) gcm_key_data;
      const Bytes key = random_bytes(key_length), iv = random_bytes(12), aad = random_bytes(12), clear = random_bytes(length);
      engine_.expand_gcm_key(key.data(), key_length, *data);
      Bytes text = clear;
      uint8_t sealed_tag[16], opened_tag[16];
      CryptoEngine::GcmCall call{data, iv.data(), aad.data(), aad.size(), text.data(), text.size(), sealed_tag};
      engine_.gcm_seal(call, key_length);
      if (length > 0) {
        EXPECT_NE(text, clear);
      }
      call.tag = opened_tag;
      engine_.gcm_open(call, key_length);
      EXPECT_EQ(text, clear);
      EXPECT_TRUE(std::equal(sealed_tag, sealed_tag + 16, opened_tag));
      operator delete(data, std::align_val_t{64});
    }
}

std::string variant_test_name(const testing::TestParamInfo<IMB_ARCH>& info) {
  switch (info.param) {
    case IMB_ARCH_SSE: return "sse";
    case IMB_ARCH_AVX: return "avx";
    case IMB_ARCH_AVX2: return "avx2";
    default: return "widest";
  }
}

INSTANTIATE_TEST_SUITE_P(Variant, CryptoEngineTest,
                         testing::Values(IMB_ARCH_SSE, IMB_ARCH_AVX, IMB_ARCH_AVX2, IMB_ARCH_AVX512), variant_test_name);

}  // namespace
}  // namespace sallyport::drivers
