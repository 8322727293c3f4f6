// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/ocsp_verdict.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <memory>

namespace sallyport::revocation {
namespace {

using Request = std::unique_ptr<OCSP_REQUEST, decltype(&OCSP_REQUEST_free)>;
using Response = std::unique_ptr<OCSP_RESPONSE, decltype(&OCSP_RESPONSE_free)>;
using BasicResponse = std::unique_ptr<OCSP_BASICRESP, decltype(&OCSP_BASICRESP_free)>;
using CertificateId = std::unique_ptr<OCSP_CERTID, decltype(&OCSP_CERTID_free)>;

Fault answer_fault(std::string cause, std::string remedy = "ask the authority about its OCSP responder, or what stands between") { return {FaultCode::invalid, "OCSP answer", std::move(cause), std::move(remedy)}; }

std::string last_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

// RFC 6960 4.2.1: such an answer is not signed and says nothing of the certificate.
Fault refusal(int status) {
  const char* remedy = status == OCSP_RESPONSE_STATUS_UNAUTHORIZED ? "the responder does not know the certificate, or not yet: it is asked again" : "it is asked again";
  return {FaultCode::refused, "OCSP responder", std::string("answers ") + OCSP_response_status_str(status), remedy};
}

bool is_signed_for(OCSP_BASICRESP* basic, X509* issuer) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> trust(X509_STORE_new(), &X509_STORE_free);
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> issuers(sk_X509_new_null(), [](STACK_OF(X509)* list) { sk_X509_free(list); });
  if (trust == nullptr || issuers == nullptr || X509_STORE_add_cert(trust.get(), issuer) != 1 || sk_X509_push(issuers.get(), issuer) == 0) return false;
  // The issuer is the anchor, whether or not it is a root. Nobody else counts, whatever trust settings its certificate carries.
  X509_STORE_set_flags(trust.get(), X509_V_FLAG_PARTIAL_CHAIN);
  return OCSP_basic_verify(basic, issuers.get(), trust.get(), OCSP_NOEXPLICIT) == 1;
}

std::int64_t staple_end(OCSP_BASICRESP* basic, X509* issuer, std::int64_t next_update_s) {
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> issuers(sk_X509_new_null(), [](STACK_OF(X509)* list) { sk_X509_free(list); });
  sk_X509_push(issuers.get(), issuer);
  X509* signer = nullptr;
  if (OCSP_resp_get0_signer(basic, &signer, issuers.get()) != 1) return 0;
  return std::min(next_update_s, unix_time(X509_get0_notAfter(signer)));
}

}  // namespace

Outcome<std::string> make_ocsp_request(X509* certificate, X509* issuer) {
  const Request request(OCSP_REQUEST_new(), &OCSP_REQUEST_free);
  CertificateId id(OCSP_cert_to_id(EVP_sha1(), certificate, issuer), &OCSP_CERTID_free);
  if (request == nullptr || id == nullptr || OCSP_request_add0_id(request.get(), id.get()) == nullptr) return Fault{FaultCode::internal, "OCSP request", "cannot be made: " + last_reason(), "report it"};
  static_cast<void>(id.release());  // the request's now
  unsigned char* der = nullptr;
  const int length = i2d_OCSP_REQUEST(request.get(), &der);
  if (length <= 0) return Fault{FaultCode::internal, "OCSP request", "cannot be made: " + last_reason(), "report it"};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return text;
}

Outcome<OcspVerdict> judge_ocsp_answer(std::string_view answer, X509* certificate, X509* issuer, std::int64_t now_s) {
  if (answer.size() > max_ocsp_bytes) return answer_fault("is longer than " + std::to_string(max_ocsp_bytes) + " bytes");
  ERR_clear_error();
  const auto* from = reinterpret_cast<const unsigned char*>(answer.data());
  const unsigned char* const end = from + answer.size();
  const Response response(d2i_OCSP_RESPONSE(nullptr, &from, static_cast<long>(answer.size())), &OCSP_RESPONSE_free);
  if (response == nullptr || from != end) {
    ERR_clear_error();
    return answer_fault("is none: it cannot be read");
  }
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL) return refusal(status);
  const BasicResponse basic(OCSP_response_get1_basic(response.get()), &OCSP_BASICRESP_free);
  if (basic == nullptr) return answer_fault("is of a kind that is not known here: " + last_reason());
  if (!is_signed_for(basic.get(), issuer)) return answer_fault("is not signed by the certificate's issuer or by a responder of its: " + last_reason());
  const CertificateId id(OCSP_cert_to_id(EVP_sha1(), certificate, issuer), &OCSP_CERTID_free);
  int status = 0, reason = -1;
  ASN1_GENERALIZEDTIME *revoked = nullptr, *this_update = nullptr, *next_update = nullptr;
  if (id == nullptr || OCSP_resp_find_status(basic.get(), id.get(), &status, &reason, &revoked, &this_update, &next_update) != 1) return answer_fault("is about another certificate");
  OcspVerdict verdict;
  RevocationFinding& finding = verdict.finding;
  finding.this_update_s = unix_time(this_update);
  finding.next_update_s = next_update == nullptr ? 0 : unix_time(next_update);
  if (next_update != nullptr && finding.next_update_s == 0) return answer_fault("has no readable time");
  if (const std::string objection = time_objection(finding.this_update_s, finding.next_update_s, now_s); !objection.empty()) return answer_fault(objection, "compare the clocks of this node and of the responder");
  finding.state = status == V_OCSP_CERTSTATUS_GOOD ? RevocationState::good : status == V_OCSP_CERTSTATUS_REVOKED ? RevocationState::revoked : RevocationState::unknown;
  if (finding.state == RevocationState::revoked) {
    finding.revoked_s = unix_time(revoked);
    finding.reason = reason_text(reason);
  }
  if (finding.state == RevocationState::good && finding.next_update_s != 0) verdict.staple_until_s = staple_end(basic.get(), issuer, finding.next_update_s);
  return verdict;
}

}  // namespace sallyport::revocation
