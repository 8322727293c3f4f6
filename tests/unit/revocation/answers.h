// SPDX-License-Identifier: Apache-2.0
#pragma once
// What authorities say, made as a test wants it: OCSP answers and revocation lists, true or false, of any time.

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/certificates/authority.h"

namespace sallyport::revocation::test {

using certificates::test::Authority;
using certificates::test::Issued;

struct AnswerWish {
  int status = V_OCSP_CERTSTATUS_GOOD;
  int reason = OCSP_REVOKED_STATUS_KEYCOMPROMISE;
  long revoked_s = -7200;  // from now, as the next two
  long this_update_s = -60;
  long next_update_s = 3600;  // 0: it does not say
};

inline std::string der_of(OCSP_RESPONSE* response) {
  unsigned char* der = nullptr;
  const int length = i2d_OCSP_RESPONSE(response, &der);
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return text;
}

// About `certificate` of `issuer`, signed by `signer`, whose certificate comes along.
inline std::string ocsp_answer(const AnswerWish& wish, X509* certificate, const Authority& issuer, X509* signer, EVP_PKEY* key) {
  const std::unique_ptr<OCSP_BASICRESP, decltype(&OCSP_BASICRESP_free)> basic(OCSP_BASICRESP_new(), &OCSP_BASICRESP_free);
  const std::unique_ptr<OCSP_CERTID, decltype(&OCSP_CERTID_free)> id(OCSP_cert_to_id(EVP_sha1(), certificate, issuer.certificate().get()), &OCSP_CERTID_free);
  const auto time = [](long from_now_s) { return std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)>(X509_gmtime_adj(nullptr, from_now_s), &ASN1_TIME_free); };
  const auto revoked = time(wish.revoked_s), this_update = time(wish.this_update_s), next_update = time(wish.next_update_s);
  OCSP_basic_add1_status(basic.get(), id.get(), wish.status, wish.reason, revoked.get(), this_update.get(), wish.next_update_s == 0 ? nullptr : next_update.get());
  OCSP_basic_sign(basic.get(), signer, key, EVP_sha256(), nullptr, 0);
  const std::unique_ptr<OCSP_RESPONSE, decltype(&OCSP_RESPONSE_free)> response(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()), &OCSP_RESPONSE_free);
  return der_of(response.get());
}
inline std::string ocsp_answer(const AnswerWish& wish, X509* certificate, const Authority& issuer) { return ocsp_answer(wish, certificate, issuer, issuer.certificate().get(), issuer.key().get()); }

inline std::string ocsp_refusal(int status) {
  const std::unique_ptr<OCSP_RESPONSE, decltype(&OCSP_RESPONSE_free)> response(OCSP_response_create(status, nullptr), &OCSP_RESPONSE_free);
  return der_of(response.get());
}

struct ListWish {
  std::vector<X509*> revoked;
  int reason = CRL_REASON_KEY_COMPROMISE;
  long this_update_s = -60, next_update_s = 3600;
  std::string scope;  // of the issuing distribution point, in OpenSSL's syntax: "onlyCA:TRUE"; empty: none
};

inline std::string revocation_list(const ListWish& wish, X509* issuer, EVP_PKEY* key) {
  const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> crl(X509_CRL_new(), &X509_CRL_free);
  const auto time = [](long from_now_s) { return std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)>(X509_gmtime_adj(nullptr, from_now_s), &ASN1_TIME_free); };
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer));
  X509_CRL_set1_lastUpdate(crl.get(), time(wish.this_update_s).get());
  X509_CRL_set1_nextUpdate(crl.get(), time(wish.next_update_s).get());
  for (X509* certificate : wish.revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate));
    X509_REVOKED_set_revocationDate(entry, time(-7200).get());
    const std::unique_ptr<ASN1_ENUMERATED, decltype(&ASN1_ENUMERATED_free)> code(ASN1_ENUMERATED_new(), &ASN1_ENUMERATED_free);
    ASN1_ENUMERATED_set(code.get(), wish.reason);
    X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code.get(), 0, 0);
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  if (!wish.scope.empty()) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, nullptr, nullptr, nullptr, nullptr, 0);
    if (X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, NID_issuing_distribution_point, ("critical," + wish.scope).c_str())) {
      X509_CRL_add_ext(crl.get(), extension, -1);
      X509_EXTENSION_free(extension);
    }
  }
  X509_CRL_sort(crl.get());
  X509_CRL_sign(crl.get(), key, EVP_sha256());
  unsigned char* der = nullptr;
  const int length = i2d_X509_CRL(crl.get(), &der);
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return text;
}
inline std::string revocation_list(const ListWish& wish, const Authority& issuer) { return revocation_list(wish, issuer.certificate().get(), issuer.key().get()); }

}  // namespace sallyport::revocation::test
