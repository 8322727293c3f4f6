// SPDX-License-Identifier: Apache-2.0
#pragma once
// revocation_sources(): who tells whether a certificate was revoked, as the certificate itself names them. Pure; any thread.

#include <openssl/types.h>

#include <string>

namespace sallyport::revocation {

struct RevocationSources {
  std::string ocsp_url;  // of the authority information access (RFC 5280 4.2.2.1); empty: none that can be asked
  std::string crl_url;   // of a distribution point that covers every reason and is the issuer's own (4.2.1.13)
  bool must_staple = false;  // RFC 7633: clients refuse it without a staple

  bool has_any() const { return !ocsp_url.empty() || !crl_url.empty(); }
};

RevocationSources revocation_sources(const X509* certificate);
// The same question, cheap enough for ten thousand certificates: is there an extension that could name one.
bool may_name_sources(const X509* certificate);

}  // namespace sallyport::revocation
