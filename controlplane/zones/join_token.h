// SPDX-License-Identifier: Apache-2.0
#pragma once
// JoinToken: what an operator carries from E to C so that the two become a pair: where E is, the key of E's pair authority, by which C knows E
// without any other certificate, and a secret, by which E knows C. As text: "sp1-" and base64url of
//   port (2 bytes, big-endian) ‖ id (8) ‖ secret (16) ‖ SHA-256 of the authority's SubjectPublicKeyInfo (32) ‖ host (1 to 253) ‖ check (4)
// where check is the beginning of the SHA-256 over all before it: what was cut or mistyped is told apart from what was refused. Plain value.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::zones {

struct JoinToken {
  std::string host;  // E's FQDN or address, as C dials it
  std::uint16_t port = 0;
  std::array<std::uint8_t, 8> id{};
  std::array<std::uint8_t, 16> secret{};
  std::array<std::uint8_t, 32> authority_key{};

  std::string text() const;
  static Outcome<JoinToken> parse(std::string_view text);  // Fault invalid; never names the secret
  std::string id_text() const;             // hex, lower case: how the token is told of without its secret
  std::string secret_text() const;
  std::string authority_key_text() const;
};

}  // namespace sallyport::zones
