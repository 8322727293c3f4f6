// SPDX-License-Identifier: Apache-2.0
#pragma once
// Passwords of accounts: the rules for new ones, and what is kept of them (scrypt, RFC 7914, with its parameters beside it). Deriving takes
// a fifth of a second and 32 MiB, so on the node's thread it is PasswordWorker's work (password_worker.h). Pure; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/store/secret.h"
#include "dataplane/abi/fault.h"

namespace sallyport::accounts {

inline constexpr std::size_t min_password_chars = 12, max_password_bytes = 256;

// What one guess costs. 2^15 with r = 8 takes 32 MiB; three rounds of it make up for not taking more.
struct PasswordCost {
  std::uint64_t n = 1 << 15;
  std::uint32_t r = 8, p = 3;
  bool operator==(const PasswordCost&) const = default;
};

struct PasswordHash {
  PasswordCost cost;
  std::string salt, hash;  // 16 and 32 bytes
};

// Whether that may become the password of that account. The fault never repeats it.
Outcome<> judge_password(std::string_view account, std::string_view password);
Outcome<PasswordHash> hash_password(const store::Secret& password, PasswordCost cost);
// In constant time once derived. False too where the stored parameters are nonsense.
bool is_password(const store::Secret& password, const PasswordHash& stored);

}  // namespace sallyport::accounts
