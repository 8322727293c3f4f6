// SPDX-License-Identifier: Apache-2.0
#pragma once
// The question to an OCSP responder and the verdict on its answer (RFC 6960, in the lightweight profile of RFC 5019: CertID by SHA-1,
// no nonce). An answer counts only if the certificate's issuer signed it, or a responder that the issuer named with id-kp-OCSPSigning.
// What comes is hostile. Pure but for OpenSSL's objects and the clock that certificates are judged by; any thread.

#include <openssl/types.h>

#include <string>
#include <string_view>

#include "controlplane/revocation/revocation_finding.h"
#include "dataplane/abi/fault.h"

namespace sallyport::revocation {

inline constexpr std::size_t max_ocsp_bytes = 16 << 10;  // a staple goes into the handshake of each client
inline constexpr const char* ocsp_request_type = "application/ocsp-request";
inline constexpr const char* ocsp_answer_type = "application/ocsp-response";

Outcome<std::string> make_ocsp_request(X509* certificate, X509* issuer);  // DER

struct OcspVerdict {
  RevocationFinding finding;
  // Until when clients take it as a staple: next_update_s, or the end of the responder's certificate if that is sooner; 0: it is none.
  std::int64_t staple_until_s = 0;
};
Outcome<OcspVerdict> judge_ocsp_answer(std::string_view answer, X509* certificate, X509* issuer, std::int64_t now_s);

}  // namespace sallyport::revocation
