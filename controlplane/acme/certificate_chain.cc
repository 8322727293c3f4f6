// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/certificate_chain.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "controlplane/acme/jws.h"
#include "controlplane/acme/timestamp.h"
#include "controlplane/config/fqdn.h"

namespace sallyport::acme {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr size_t most_certificates = 10;
constexpr size_t largest_request_bytes = 64 << 10;
constexpr int64_t clock_tolerance_s = 3600;  // authorities set notBefore back by up to an hour, clocks differ

Fault chain_fault(std::string cause) {
  ERR_clear_error();
  return Fault{FaultCode::invalid, "certificate from the authority", std::move(cause), "report it to the authority; the old certificate stays in use"};
}

Fault request_fault(std::string cause) {
  ERR_clear_error();
  return Fault{FaultCode::invalid, "certificate request", std::move(cause), "make the request again"};
}

std::vector<std::string> dns_names_of(const X509_REQ* request) {
  std::vector<std::string> names;
  const std::unique_ptr<STACK_OF(X509_EXTENSION), void (*)(STACK_OF(X509_EXTENSION)*)> extensions(
      X509_REQ_get_extensions(const_cast<X509_REQ*>(request)), [](STACK_OF(X509_EXTENSION) * stack) { sk_X509_EXTENSION_pop_free(stack, &X509_EXTENSION_free); });
  if (extensions == nullptr) return names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> alternatives(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)), &GENERAL_NAMES_free);
  for (int i = 0; alternatives != nullptr && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    names.push_back(config::lower_case({text, static_cast<size_t>(ASN1_STRING_length(name->d.dNSName))}));
  }
  return names;
}

std::string pem_of(X509* certificate) {
  const Bio memory(BIO_new(BIO_s_mem()), &BIO_free);
  if (memory == nullptr || PEM_write_bio_X509(memory.get(), certificate) != 1) return "";
  char* data = nullptr;
  const long length = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<size_t>(length));
}

std::string issuer_name(const X509* certificate) {
  char text[256] = {};
  const int length = X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, text, sizeof text);
  return length > 0 ? std::string(text, static_cast<size_t>(length)) : "";
}

std::string missing_name(const CertificateChain& chain, const CertificateRequest& request) {
  for (const std::string& name : request.names) {
    const tls::CertificateName wanted{tls::NameKind::dns, name};
    if (std::find(chain.leaf.names.begin(), chain.leaf.names.end(), wanted) == chain.leaf.names.end()) return name;
  }
  return "";
}

}  // namespace

Outcome<CertificateRequest> CertificateRequest::read(std::string der) {
  if (der.size() > largest_request_bytes) return request_fault("is longer than 64 KiB");
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  CertificateRequest request;
  request.request.reset(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())), &X509_REQ_free);
  if (request.request == nullptr) return request_fault("is no PKCS#10 request in DER");
  request.names = dns_names_of(request.request.get());
  if (request.names.empty()) return request_fault("holds no DNS name in its subjectAltName");
  request.der = std::move(der);
  return request;
}

Outcome<CertificateChain> CertificateChain::read(std::string_view pem) {
  CertificateChain chain;
  const Bio memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  if (memory == nullptr) return chain_fault("no memory to read it");
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr)) {
    chain.certificates.emplace_back(certificate, &X509_free);
    chain.pem += pem_of(certificate);
    if (chain.certificates.size() > most_certificates) return chain_fault("holds more than " + std::to_string(most_certificates) + " certificates");
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return chain_fault("certificate " + std::to_string(chain.certificates.size() + 1) + " of its chain is broken");
  ERR_clear_error();
  if (chain.certificates.empty()) return chain_fault("is no PEM");
  chain.leaf = tls::describe_certificate(chain.certificates.front().get());
  return chain;
}

std::string CertificateChain::root_name() const { return certificates.empty() ? "" : issuer_name(certificates.back().get()); }
std::string CertificateChain::renewal_id() const { return certificates.empty() ? "" : acme::renewal_id(certificates.front().get()); }

std::string chain_objection(const CertificateChain& chain, const CertificateRequest& request, int64_t now_s) {
  X509* leaf = chain.certificates.front().get();
  const EVP_PKEY* asked = X509_REQ_get0_pubkey(request.request.get());
  const EVP_PKEY* issued = X509_get0_pubkey(leaf);
  if (asked == nullptr || issued == nullptr || EVP_PKEY_eq(asked, issued) != 1) return "it is for another key than was asked for";
  if (const std::string name = missing_name(chain, request); !name.empty()) return "it lacks the name " + name + "; it has " + chain.leaf.names_text();
  if (chain.leaf.not_after_s <= now_s) return "it has expired at " + date_text(chain.leaf.not_after_s);
  if (chain.leaf.not_before_s > now_s + clock_tolerance_s) return "it is valid only from " + date_text(chain.leaf.not_before_s) + "; the clock of this node may be wrong";
  if (!chain.leaf.allows_server_auth) return "its extended key usage does not allow a TLS server";
  for (size_t i = 0; i + 1 < chain.certificates.size(); ++i) {
    X509* issuer = chain.certificates[i + 1].get();
    const bool is_signed = X509_verify(chain.certificates[i].get(), X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();
    if (!is_signed) return "certificate " + std::to_string(i + 1) + " of its chain is not signed by the next";
  }
  return "";
}

std::string renewal_id(const X509* certificate) {
  const std::unique_ptr<AUTHORITY_KEYID, decltype(&AUTHORITY_KEYID_free)> authority(
      static_cast<AUTHORITY_KEYID*>(X509_get_ext_d2i(certificate, NID_authority_key_identifier, nullptr, nullptr)), &AUTHORITY_KEYID_free);
  if (authority == nullptr || authority->keyid == nullptr) return "";
  unsigned char* der = nullptr;
  const int length = i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate), &der);
  if (length < 3) return "";
  // Tag and one octet of length go: RFC 5280 bounds a serial to 20 octets.
  const std::string serial(reinterpret_cast<const char*>(der) + 2, static_cast<size_t>(length - 2));
  OPENSSL_free(der);
  const std::string_view key_id(reinterpret_cast<const char*>(ASN1_STRING_get0_data(authority->keyid)), static_cast<size_t>(ASN1_STRING_length(authority->keyid)));
  return base64url(key_id) + "." + base64url(serial);
}

}  // namespace sallyport::acme
