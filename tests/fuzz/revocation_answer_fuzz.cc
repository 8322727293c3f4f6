// SPDX-License-Identifier: Apache-2.0
// What answers where a certificate says that its authority does, of any bytes: an OCSP answer or a revocation list is verified within its
// limits, or refused with subject, cause and remedy.
#include <openssl/x509.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/certificates/intake.h"
#include "controlplane/revocation/crl_verdict.h"
#include "controlplane/revocation/ocsp_verdict.h"
#include "controlplane/tls/certificate_names.h"

using namespace sallyport;
using namespace sallyport::revocation;

namespace {

// The corpus is about this certificate, from an authority whose key nobody has.
constexpr std::int64_t now_s = 1795920706;
constexpr std::string_view issuer_pem = R"(-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUDon+yX3zyUX89sgk8ESu1ga2i3gwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHRnV6eiBDQTAeFw0yNjExMjkwMjUwNDVaFw0zNjExMjYwMjUw
NDVaMBIxEDAOBgNVBAMMB0Z1enogQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARmbF0l3ZTFaFyjGjPjiuplqze2TXJ+FBWyej/8fjKrFghYFAXJsqrSajNIcDnd
TU0gwDZJqwfMyuDvty6VjYQFo2MwYTAdBgNVHQ4EFgQU8WSQtoUx/UKP5DeGA3Xf
4qCgtWIwHwYDVR0jBBgwFoAU8WSQtoUx/UKP5DeGA3Xf4qCgtWIwDwYDVR0TAQH/
BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSAAwRQIgEy5gxVMD
gevwPGNxhTo80eccURySFOO4IJfOHmf9ZNkCIQDxsoETZ09RoUnRmzntXkW383gU
ExyESw+/18YjkqhJ2g==
-----END CERTIFICATE-----
)";
constexpr std::string_view leaf_pem = R"(-----BEGIN CERTIFICATE-----
MIIBtDCCAVqgAwIBAgICEAAwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHRnV6eiBD
QTAeFw0yNjExMjkwMjUwNDVaFw0zNjExMjYwMjUwNDVaMBsxGTAXBgNVBAMMEGVk
Z2UuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATMSDA110I6
WPp8V0Tq2+s71+EeygXjJd6jE3zqPVKIAEg3pB4j7GpnToPjKvjmH0eSOlqWS6mC
P8Q8muEiHPW8o4GWMIGTMBsGA1UdEQQUMBKCEGVkZ2UuZXhhbXBsZS5jb20wNAYI
KwYBBQUHAQEEKDAmMCQGCCsGAQUFBzABhhhodHRwOi8vb2NzcC5leGFtcGxlLmNv
bS8wHQYDVR0OBBYEFI9dWQDCGpNX5FANndAlOUQzAoZdMB8GA1UdIwQYMBaAFPFk
kLaFMf1Cj+Q3hgN13+KgoLViMAoGCCqGSM49BAMCA0gAMEUCICQuT7VF30TFAkFf
VNb+XsX8nlS/lVwd9MBwlInM/6Q3AiEA0hm+n/WmoM6m8ZW8YGkxIUd5dt5IHBmb
KEIh8QSV+Xs=
-----END CERTIFICATE-----
)";

std::shared_ptr<X509> certificate(std::string_view pem) {
  const auto read = certificates::read_certificates(pem, "fuzz", 1);
  if (!read) std::abort();
  return read->front();
}

void check(const Fault& fault) {
  if (fault.subject.empty() || fault.cause.empty() || fault.remedy.empty()) std::abort();
}

void check(const RevocationFinding& finding) {
  if (finding.state == RevocationState::unchecked || finding.this_update_s == 0) std::abort();
  if (finding.state == RevocationState::revoked && finding.revoked_s == 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::shared_ptr<X509> issuer = certificate(issuer_pem), leaf = certificate(leaf_pem);
  static const std::string serial = tls::describe_certificate(leaf.get()).serial;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto verdict = judge_ocsp_answer(text, leaf.get(), issuer.get(), now_s);
  if (!verdict) check(verdict.fault());
  if (verdict) {
    check(verdict->finding);
    if (verdict->staple_until_s > verdict->finding.next_update_s) std::abort();
  }
  const auto findings = judge_crl({std::string(text), leaf, issuer, {serial, "00"}, now_s});
  if (!findings) check(findings.fault());
  if (findings) {
    if (findings->size() != 2) std::abort();
    for (const RevocationFinding& finding : *findings) check(finding);
  }
  return 0;
}
