// SPDX-License-Identifier: Apache-2.0
#pragma once
// The self-signed certificate that proves a name by tls-alpn-01 (RFC 8737 3): the name as its only SAN, and a critical extension
// with the digest of the key authorization. Lives for a day, with a key of its own. Pure; any thread.

#include <openssl/types.h>

#include <memory>
#include <string>

#include "dataplane/abi/fault.h"

namespace sallyport::acme {

struct ChallengeCertificate {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;
};

Outcome<ChallengeCertificate> make_challenge_certificate(const std::string& domain, const std::string& key_authorization);

}  // namespace sallyport::acme
