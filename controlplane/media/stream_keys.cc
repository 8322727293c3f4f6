// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/stream_keys.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "controlplane/sip/base64.h"

namespace sallyport::media {
namespace {

using sip::CryptoSuite;

constexpr std::pair<CryptoSuite, abi::Suite> suite_numbers[] = {
    {CryptoSuite::aead_aes_256_gcm, abi::Suite::aead_aes_256_gcm},
    {CryptoSuite::aead_aes_128_gcm, abi::Suite::aead_aes_128_gcm},
    {CryptoSuite::aes_256_cm_hmac_sha1_80, abi::Suite::aes_256_cm_hmac_sha1_80},
    {CryptoSuite::aes_cm_128_hmac_sha1_80, abi::Suite::aes_cm_128_hmac_sha1_80},
    {CryptoSuite::aes_cm_128_hmac_sha1_32, abi::Suite::aes_cm_128_hmac_sha1_32},
};

SharedKey share(sip::CryptoAttribute&& attribute) {
  auto key = std::make_shared<StreamKey>();
  key->suite = attribute.suite;
  key->mki_bytes = attribute.mki_bytes;
  key->key = std::move(attribute.key);
  return key;
}

std::string random_text(size_t length) {
  std::string text(length, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(length)) != 1) std::abort();
  for (char& c : text) c = static_cast<char>('a' + (static_cast<unsigned char>(c) & 15));
  return text;
}

}  // namespace

bool has_keys(std::span<const sip::SdpLine> media_lines) {
  return sip::find_attribute(media_lines, "crypto") != nullptr;
}

TaggedKey select_offered(std::span<const sip::SdpLine> media_lines, const Suites& allowed) {
  sip::CryptoAttribute best;
  size_t best_rank = allowed.size();
  for (const sip::SdpLine& line : media_lines) {
    if (line.type != 'a' || line.name != "crypto") continue;
    sip::CryptoResult read = sip::read_crypto(line);
    if (!read.attribute) continue;
    const auto rank = static_cast<size_t>(
        std::find(allowed.begin(), allowed.end(), read.attribute->suite) - allowed.begin());
    if (rank >= best_rank) continue;
    best_rank = rank;
    best = std::move(*read.attribute);
  }
  if (best_rank == allowed.size()) return {};
  const uint32_t tag = best.tag;
  return {tag, share(std::move(best))};
}

SharedKey fresh_key(CryptoSuite suite) {
  auto key = std::make_shared<StreamKey>();
  key->suite = suite;
  key->key = sip::MasterKey::generate(suite);
  return key;
}

std::vector<TaggedKey> fresh_keys(const Suites& suites) {
  std::vector<TaggedKey> keys;
  for (const CryptoSuite suite : suites) keys.push_back({static_cast<uint32_t>(keys.size() + 1), fresh_key(suite)});
  return keys;
}

SrtpLeg match_answer(std::span<const sip::SdpLine> media_lines, std::span<const TaggedKey> offered) {
  const sip::SdpLine* line = sip::find_attribute(media_lines, "crypto");
  if (line == nullptr) return {};
  sip::CryptoResult read = sip::read_crypto(*line);
  if (!read.attribute) return {};
  const uint32_t tag = read.attribute->tag;
  for (const TaggedKey& ours : offered) {
    if (ours.tag == tag && ours.key->suite == read.attribute->suite) {
      return {tag, share(std::move(*read.attribute)), ours.key};
    }
  }
  return {};
}

abi::KeyMaterial key_material(const StreamKey& key) {
  abi::KeyMaterial material;
  for (const auto& [suite, number] : suite_numbers) {
    if (suite == key.suite) material.suite = number;
  }
  material.mki_length = key.mki_bytes;
  std::memcpy(material.key, key.key.key().data(), key.key.key().size());
  std::memcpy(material.salt, key.key.salt().data(), key.key.salt().size());
  return material;
}

SharedKey from_material(const abi::KeyMaterial& material) {
  for (const auto& [suite, number] : suite_numbers) {
    if (number != material.suite) continue;
    const sip::CryptoSuiteFacts& facts = sip::facts(suite);
    uint8_t bytes[sip::MasterKey::max_bytes];
    std::memcpy(bytes, material.key, facts.key_bytes);
    std::memcpy(bytes + facts.key_bytes, material.salt, facts.salt_bytes);
    auto key = std::make_shared<StreamKey>();
      key->suite = suite;
    key->mki_bytes = material.mki_length;
    key->key = sip::MasterKey(suite, std::span(bytes, size_t{facts.key_bytes} + facts.salt_bytes));
    explicit_bzero(bytes, sizeof bytes);
    return key;
  }
  return nullptr;
}

std::string_view suite_name(const SharedKey& key) { return key ? sip::facts(key->suite).name : std::string_view(); }

std::string crypto_line(const TaggedKey& offered, std::vector<KeyPlaceholder>& placeholders) {
  const SharedKey& key = offered.key;
  const size_t encoded = (key->key.bytes().size() + 2) / 3 * 4;
  placeholders.push_back({random_text(encoded), key});
  std::string line = "a=crypto:" + std::to_string(offered.tag) + " ";
  return line.append(suite_name(key)).append(" inline:").append(placeholders.back().text);
}

bool fill_in(std::string& sdp, const std::vector<KeyPlaceholder>& placeholders) {
  std::string encoded;
  encoded.reserve(80);
  bool complete = true;
  for (const KeyPlaceholder& placeholder : placeholders) {
    const size_t at = sdp.find(placeholder.text);
    encoded.clear();
    sip::encode_base64(sip::Base64::standard, placeholder.key->key.bytes(), encoded);
    const bool fits = at != std::string::npos && encoded.size() == placeholder.text.size();
    if (fits) std::memcpy(sdp.data() + at, encoded.data(), encoded.size());
    complete &= fits;
    explicit_bzero(encoded.data(), encoded.size());
  }
  return complete;
}

}  // namespace sallyport::media
