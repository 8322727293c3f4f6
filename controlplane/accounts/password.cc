// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <set>

namespace sallyport::accounts {
namespace {

constexpr std::size_t salt_bytes = 16, hash_bytes = 32, min_different_chars = 5;
// What a damaged store may ask for.
constexpr std::uint64_t max_n = 1 << 20;
constexpr std::uint32_t max_r = 32, max_p = 16;

bool derive(const store::Secret& password, PasswordCost cost, const std::string& salt, std::string& hash) {
  const bool is_sound = cost.n >= 2 && cost.n <= max_n && (cost.n & (cost.n - 1)) == 0 && cost.r >= 1 && cost.r <= max_r && cost.p >= 1 && cost.p <= max_p;
  if (!is_sound || salt.size() != salt_bytes) return false;
  const std::string_view text = password.reveal();
  hash.resize(hash_bytes);
  const std::uint64_t memory = 128 * std::uint64_t{cost.r} * (cost.n + cost.p + 2) + (1 << 20);
  return EVP_PBE_scrypt(text.data(), text.size(), reinterpret_cast<const unsigned char*>(salt.data()), salt.size(), cost.n, cost.r, cost.p, memory, reinterpret_cast<unsigned char*>(hash.data()), hash.size()) == 1;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return result;
}

}  // namespace

Outcome<> judge_password(std::string_view account, std::string_view password) {
  const auto refuse = [](const char* cause, const char* remedy) { return Fault{FaultCode::invalid, "password", cause, remedy}; };
  // Continuation bytes of UTF-8 are no characters of their own.
  const auto chars = static_cast<std::size_t>(std::count_if(password.begin(), password.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  if (chars < min_password_chars) return refuse("is shorter than 12 characters", "take a longer one; several words do well");
  if (password.size() > max_password_bytes) return refuse("is longer than 256 bytes", "take a shorter one");
  if (std::any_of(password.begin(), password.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) return refuse("holds a control character", "type it without");
  if (std::set<char>(password.begin(), password.end()).size() < min_different_chars) return refuse("has fewer than 5 different characters", "take one that is harder to guess");
  if (!account.empty() && lower(password).find(lower(account)) != std::string::npos) return refuse("holds the name of its account", "take one that has nothing to do with it");
  return Done{};
}

Outcome<PasswordHash> hash_password(const store::Secret& password, PasswordCost cost) {
  PasswordHash made{cost, std::string(salt_bytes, '\0'), {}};
  const bool done = RAND_bytes(reinterpret_cast<unsigned char*>(made.salt.data()), static_cast<int>(salt_bytes)) == 1 && derive(password, cost, made.salt, made.hash);
  if (!done) return Fault{FaultCode::internal, "password", "scrypt failed", "look at the memory of the machine: it needs 32 MiB"};
  return made;
}

bool is_password(const store::Secret& password, const PasswordHash& stored) {
  std::string hash;
  if (!derive(password, stored.cost, stored.salt, hash) || stored.hash.size() != hash.size()) return false;
  const bool is_same = CRYPTO_memcmp(hash.data(), stored.hash.data(), hash.size()) == 0;
  OPENSSL_cleanse(hash.data(), hash.size());
  return is_same;
}

}  // namespace sallyport::accounts
