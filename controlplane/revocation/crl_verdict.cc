// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/crl_verdict.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

namespace sallyport::revocation {
namespace {

namespace asio = boost::asio;
using Crl = std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)>;
using Findings = std::vector<RevocationFinding>;

Fault list_fault(std::string cause) { return {FaultCode::invalid, "revocation list", std::move(cause), "ask the authority about its list, or what stands between"}; }

// Signature, issuer, usage and scope in OpenSSL's own order, with the issuer as the anchor. The times were judged before, with slack,
// and those of the certificate do not matter here.
std::string objection_to(X509_CRL* crl, X509* certificate, X509* issuer) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> trust(X509_STORE_new(), &X509_STORE_free);
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check(X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  const std::unique_ptr<STACK_OF(X509_CRL), void (*)(STACK_OF(X509_CRL)*)> lists(sk_X509_CRL_new_null(), [](STACK_OF(X509_CRL)* list) { sk_X509_CRL_free(list); });
  if (trust == nullptr || check == nullptr || lists == nullptr || sk_X509_CRL_push(lists.get(), crl) == 0 || X509_STORE_add_cert(trust.get(), issuer) != 1 ||
      X509_STORE_CTX_init(check.get(), trust.get(), certificate, nullptr) != 1) {
    return "cannot be judged: out of memory";
  }
  X509_STORE_CTX_set0_crls(check.get(), lists.get());
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(check.get()), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
  const bool fine = X509_verify_cert(check.get()) == 1;
  const int error = X509_STORE_CTX_get_error(check.get());
  ERR_clear_error();
  if (fine || error == X509_V_ERR_CERT_REVOKED) return {};
  if (error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_DIFFERENT_CRL_SCOPE) return "is another one than the certificate names: its issuer or its scope differ";
  return std::string("is refused: ") + X509_verify_cert_error_string(error);
}

RevocationFinding finding_of(X509_CRL* crl, const std::string& serial, RevocationFinding finding) {
  BIGNUM* number = nullptr;
  const int digits = BN_hex2bn(&number, serial.c_str());
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> held(number, &BN_free);
  const std::unique_ptr<ASN1_INTEGER, decltype(&ASN1_INTEGER_free)> wanted(digits == 0 ? nullptr : BN_to_ASN1_INTEGER(number, nullptr), &ASN1_INTEGER_free);
  X509_REVOKED* entry = nullptr;
  // 2: the entry says removeFromCRL, which takes a revocation back.
  if (wanted == nullptr || X509_CRL_get0_by_serial(crl, &entry, wanted.get()) != 1) return finding;
  finding.state = RevocationState::revoked;
  finding.revoked_s = unix_time(X509_REVOKED_get0_revocationDate(entry));
  if (auto* code = static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr))) {
    finding.reason = reason_text(static_cast<int>(ASN1_ENUMERATED_get(code)));
    ASN1_ENUMERATED_free(code);
  }
  return finding;
}

}  // namespace

Outcome<Findings> judge_crl(const CrlQuestion& question) {
  if (question.list.size() > max_crl_bytes) return list_fault("is longer than " + std::to_string(max_crl_bytes >> 20) + " MiB");
  ERR_clear_error();
  const auto* from = reinterpret_cast<const unsigned char*>(question.list.data());
  const unsigned char* const end = from + question.list.size();
  const Crl crl(d2i_X509_CRL(nullptr, &from, static_cast<long>(question.list.size())), &X509_CRL_free);
  if (crl == nullptr || from != end) {
    ERR_clear_error();
    return list_fault("is none: it cannot be read");
  }
  RevocationFinding found;
  found.state = RevocationState::good;
  found.this_update_s = unix_time(X509_CRL_get0_lastUpdate(crl.get()));
  found.next_update_s = unix_time(X509_CRL_get0_nextUpdate(crl.get()));
  if (const std::string objection = time_objection(found.this_update_s, found.next_update_s, question.now_s); !objection.empty()) return list_fault(objection);
  if (const std::string objection = objection_to(crl.get(), question.certificate.get(), question.issuer.get()); !objection.empty()) return list_fault(objection);
  Findings findings;
  for (const std::string& serial : question.serials) findings.push_back(finding_of(crl.get(), serial, found));
  return findings;
}

asio::awaitable<Outcome<Findings>> judge_crl_aside(CrlQuestion question) {
  static asio::thread_pool pool(1);
  auto verdict = std::make_shared<std::optional<Outcome<Findings>>>();
  auto held = std::make_shared<CrlQuestion>(std::move(question));
  auto work = [held, verdict]() -> asio::awaitable<void> {
    *verdict = judge_crl(*held);
    co_return;
  };
  co_await asio::co_spawn(pool, std::move(work), asio::use_awaitable);
  co_return std::move(**verdict);
}

}  // namespace sallyport::revocation
