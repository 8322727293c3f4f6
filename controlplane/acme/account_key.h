// SPDX-License-Identifier: Apache-2.0
#pragma once
// AccountKey: the key of an ACME account, P-256 (ES256) or RSA (RS256), with its JWK and thumbprint. The private part stays inside
// OpenSSL's object, which wipes it on release; whoever stores it takes it from key(). Plain value, cheap to copy; any thread.

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::acme {

enum class AccountAlgorithm : unsigned char { es256, rs256 };

class AccountKey {
 public:
  // An RSA key of 3072 bits takes some hundred milliseconds of this thread, P-256 next to nothing.
  static Outcome<AccountKey> generate(AccountAlgorithm algorithm = AccountAlgorithm::es256);
  // P-256, or RSA of 2048 to 8192 bits; anything else is a Fault.
  static Outcome<AccountKey> from(std::shared_ptr<EVP_PKEY> key);

  AccountAlgorithm algorithm() const { return algorithm_; }
  const char* algorithm_name() const { return algorithm_ == AccountAlgorithm::es256 ? "ES256" : "RS256"; }
  const std::string& jwk() const { return jwk_; }                // the members RFC 7638 wants, in its order, without blanks
  const std::string& thumbprint() const { return thumbprint_; }  // RFC 7638, SHA-256, base64url
  const std::shared_ptr<EVP_PKEY>& key() const { return key_; }

  // The octets of a JWS signature (RFC 7518 3.3, 3.4).
  Outcome<std::string> sign(std::string_view text) const;

 private:
  AccountKey() = default;
  AccountAlgorithm algorithm_ = AccountAlgorithm::es256;
  std::string jwk_, thumbprint_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace sallyport::acme
