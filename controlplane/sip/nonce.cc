// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/nonce.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "controlplane/sip/base64.h"

namespace sallyport::sip {
namespace {

constexpr std::size_t time_bytes = 8, random_bytes = 8, mac_bytes = 16;
constexpr std::size_t signed_bytes = time_bytes + random_bytes;
constexpr std::size_t nonce_bytes = signed_bytes + mac_bytes;
constexpr std::uint32_t window_counts = 64;  // counts behind the highest that may still arrive, on parallel connections
using NonceBytes = std::array<std::uint8_t, nonce_bytes>;

void sign(const std::array<std::uint8_t, 32>& secret, NonceBytes& nonce) {
  std::uint8_t full[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), nonce.data(), signed_bytes, full, &length) ==
      nullptr) {
    std::abort();
  }
  std::memcpy(nonce.data() + signed_bytes, full, mac_bytes);
}

// Time of issue, if the nonce is ours.
std::optional<std::uint64_t> issue_time(const std::array<std::uint8_t, 32>& secret, std::string_view text) {
  NonceBytes nonce;
  if (decode_base64(Base64::url, text, nonce) != nonce_bytes) return std::nullopt;
  NonceBytes expected = nonce;
  sign(secret, expected);
  if (CRYPTO_memcmp(expected.data(), nonce.data(), nonce_bytes) != 0) return std::nullopt;
  std::uint64_t issued_us = 0;
  for (std::size_t i = 0; i < time_bytes; ++i) issued_us = issued_us << 8 | nonce[i];
  return issued_us;
}

}  // namespace

Nonces::Nonces(const std::array<std::uint8_t, 32>& secret, std::uint64_t lifetime_us, std::size_t capacity)
    : secret_(secret), lifetime_us_(lifetime_us), capacity_(std::max<std::size_t>(capacity, 1)) {}

std::string Nonces::issue(std::uint64_t now_us) {
  NonceBytes nonce;
  for (std::size_t i = 0; i < time_bytes; ++i) nonce[i] = static_cast<std::uint8_t>(now_us >> (56 - 8 * i));
  if (RAND_bytes(nonce.data() + time_bytes, random_bytes) != 1) std::abort();
  sign(secret_, nonce);
  std::string text;
  encode_base64(Base64::url, nonce, text);
  return text;
}

Nonces::Verdict Nonces::check(std::string_view nonce, std::uint64_t now_us) const {
  const auto issued_us = issue_time(secret_, nonce);
  if (!issued_us || *issued_us > now_us || now_us - *issued_us > lifetime_us_) return Verdict::stale;
  // A nonce whose counts were forgotten cannot be told from a replay: only those still in the table go on.
  if (*issued_us < forgotten_before_us_ && !used_.contains(std::string(nonce))) return Verdict::stale;
  return Verdict::fresh;
}

void Nonces::make_room(std::uint64_t now_us) {
  if (used_.size() < capacity_) return;
  std::erase_if(used_, [&](const auto& entry) { return now_us - entry.second.issued_us > lifetime_us_; });
  if (used_.size() < capacity_) return;
  const auto oldest = std::min_element(
      used_.begin(), used_.end(), [](const auto& a, const auto& b) { return a.second.issued_us < b.second.issued_us; });
  forgotten_before_us_ = std::max(forgotten_before_us_, oldest->second.issued_us + 1);
  used_.erase(oldest);
}

Nonces::Verdict Nonces::accept(std::string_view nonce, std::uint32_t nonce_count, std::uint64_t now_us) {
  if (const Verdict verdict = check(nonce, now_us); verdict != Verdict::fresh) return verdict;
  auto found = used_.find(std::string(nonce));
  if (found == used_.end()) {
    make_room(now_us);
    const std::uint64_t issued_us = *issue_time(secret_, nonce);
    if (issued_us < forgotten_before_us_) return Verdict::stale;
    used_.emplace(std::string(nonce), Use{issued_us, nonce_count, 1});
    return Verdict::fresh;
  }
  Use& use = found->second;
  if (nonce_count > use.highest) {
    const std::uint32_t step = nonce_count - use.highest;
    use.seen = step >= window_counts ? 1 : use.seen << step | 1;
    use.highest = nonce_count;
    return Verdict::fresh;
  }
  const std::uint32_t behind = use.highest - nonce_count;
  const std::uint64_t bit = behind < window_counts ? std::uint64_t{1} << behind : 0;
  if (nonce_count == 0 || bit == 0 || (use.seen & bit) != 0) return Verdict::replayed;
  use.seen |= bit;
  return Verdict::fresh;
}

}  // namespace sallyport::sip
