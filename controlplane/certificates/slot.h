// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slot: a place for a certificate of this node: what its listeners show (server), what it shows as a client where that is apart
// (client), and what is shown for a domain by SNI (domain/NAME). Each holds at most one certificate of each key family. Plain value.

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::certificates {

enum class SlotKind : std::uint8_t { server, client, domain };

struct Slot {
  SlotKind kind = SlotKind::server;
  std::string domain;  // lower case, A-labels

  static Slot of_domain(std::string name) { return {SlotKind::domain, std::move(name)}; }
  // "server", "client", "domain/example.com"; a domain may be given in its own script and is kept as A-labels (RFC 5891).
  static Outcome<Slot> parse(std::string_view text);
  std::string text() const;
  bool operator==(const Slot&) const = default;
};

// The order of their texts.
bool comes_before(const Slot& one, const Slot& other);

// A domain as an operator writes it, as A-labels in lower case, held against the rule for names (C15, B19).
Outcome<std::string> domain_name(std::string_view text);

}  // namespace sallyport::certificates
