// SPDX-License-Identifier: Apache-2.0
#pragma once
// Enrolment over Secure Transport (RFC 7030, with what RFC 8951 clarifies) as far as onboarding needs it: which operation a phone's HTTP request
// asks for, and the answers. Operations: cacerts, simpleenroll (HTTP Basic: phone and activation code), simplereenroll (by the certificate of
// the TLS connection). What is read is hostile and bounded by its reader. Pure functions but for OpenSSL's objects.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/certificates/intake.h"
#include "controlplane/http/http_message.h"

namespace sallyport::onboarding {

enum class EstOperation : std::uint8_t { authorities, enrol, renew };  // cacerts, simpleenroll, simplereenroll

struct EstRequest {
  EstOperation operation = EstOperation::authorities;
  std::string device, code;  // enrol
  std::string request_pem;   // enrol, renew: PKCS#10
};

// The status of the answer, and what is wrong: 401 without a code, 404 for any other path, 405, 415, 400.
struct EstRefusal {
  unsigned status = 400;
  Fault fault;
};

struct EstVerdict {
  std::optional<EstRequest> request;
  EstRefusal refusal;  // if there is no request
};

EstVerdict read_est_request(const http::HttpMessage& message);

// Certificates alone, as degenerate PKCS#7 in base64 (RFC 7030 4.1.3, 4.2.3).
std::string est_answer(EstOperation operation, const std::vector<certificates::CertificatePtr>& certificates);
// In words, as text/plain (RFC 7030 4.2.3).
std::string est_answer(const EstRefusal& refusal);

// Of a Fault of C, or of the way there.
unsigned status_of(FaultCode code);

}  // namespace sallyport::onboarding
