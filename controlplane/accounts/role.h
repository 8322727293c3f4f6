// SPDX-License-Identifier: Apache-2.0
#pragma once
// Role: what an account may do over the HTTPS administration address; each includes the ones before it. Plain value, any thread.

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::accounts {

enum class Role : std::uint8_t {
  read,        // look at everything but accounts and the audit log
  operate,     // also tests, captures, renewals: what helps those who use the node, and changes nothing that stays
  administer,  // also what stays: site, certificates, trust, secrets, backup, accounts
};

inline const char* name_of(Role role) { return role == Role::read ? "read" : role == Role::operate ? "operate" : "administer"; }
inline bool includes(Role held, Role needed) { return held >= needed; }
inline constexpr const char* role_list = "read, operate or administer";

inline std::optional<Role> role_from(std::string_view name) {
  for (const Role role : {Role::read, Role::operate, Role::administer})
    if (name == name_of(role)) return role;
  return std::nullopt;
}

}  // namespace sallyport::accounts
