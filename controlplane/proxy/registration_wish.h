// SPDX-License-Identifier: Apache-2.0
#pragma once
// RegistrationWish: what a REGISTER asks for, read once when it is routed and needed again when its 200 comes. Views into `text`,
// which the transaction owns; at most most_contacts contacts, further ones are not looked at.

#include <cstdint>
#include <string_view>
#include <vector>

#include "controlplane/proxy/relay_transaction.h"

namespace sallyport::proxy {

struct RegistrationWish final : TransactionContext {
  static constexpr size_t most_contacts = 8;
  struct Contact {
    std::string_view uri;
    std::string_view instance;  // +sip.instance as written, "" if none
    uint32_t reg_id = 0;
    bool has_reg_id = false;
  };

  // `text` is a copy of request.text(), or that itself.
  RegistrationWish(const sip::Message& request, std::string_view text);

  std::string_view aor;  // URI of To; "" when it cannot be read
  std::string_view user_agent;
  bool is_star = false;  // Contact: *
  std::vector<Contact> contacts;
};

}  // namespace sallyport::proxy
