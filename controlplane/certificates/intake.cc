// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/intake.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

namespace sallyport::certificates {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

BioPtr read_only(std::string_view text) { return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free}; }

std::string written(const BioPtr& out) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size <= 0 ? std::string() : std::string(data, static_cast<size_t>(size));
}

std::string last_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "it is cut short or damaged" : reason;
}

std::string place(const std::string& file, std::size_t number) { return file + ": certificate " + std::to_string(number); }

Outcome<> check_size(std::string_view pem, const std::string& file) {
  if (pem.empty()) return Fault{FaultCode::invalid, file, "is empty", "give the PEM text of the certificate, with its BEGIN and END lines"};
  if (pem.size() > max_pem_bytes) return Fault{FaultCode::invalid, file, "has " + std::to_string(pem.size()) + " bytes, at most " + std::to_string(max_pem_bytes) + " are read", "give only what belongs together"};
  if (static_cast<unsigned char>(pem[0]) == 0x30 && pem.find("-----BEGIN") == std::string_view::npos) {
    return Fault{FaultCode::invalid, file, "is DER or PKCS#12, not PEM", "convert it: openssl x509 -inform DER -in FILE, or openssl pkcs12 -in FILE -nodes"};
  }
  return Done{};
}

bool has_hidden_nul(const GENERAL_NAME& name) {
  const ASN1_STRING* text = name.type == GEN_DNS ? name.d.dNSName : name.type == GEN_EMAIL ? name.d.rfc822Name : name.type == GEN_URI ? name.d.uniformResourceIdentifier : nullptr;
  return text != nullptr && std::memchr(ASN1_STRING_get0_data(text), 0, static_cast<size_t>(ASN1_STRING_length(text))) != nullptr;
}

Outcome<> check_names(X509* certificate, const std::string& subject) {
  int critical = -1;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr));
  if (names == nullptr) {
    ERR_clear_error();
    // -1: there is none. -2: there are two. Anything else: it is there and cannot be read.
    if (critical == -1) return Done{};
    return Fault{FaultCode::invalid, subject, "has a subject alternative name that cannot be read", "have the authority issue it anew"};
  }
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> owner(names, &GENERAL_NAMES_free);
  const auto count = static_cast<std::size_t>(sk_GENERAL_NAME_num(names));
  if (count > max_certificate_names) {
    return Fault{FaultCode::invalid, subject, "carries " + std::to_string(count) + " names, at most " + std::to_string(max_certificate_names) + " are taken", "split them over several certificates, one a domain"};
  }
  for (std::size_t i = 0; i < count; ++i)
    if (has_hidden_nul(*sk_GENERAL_NAME_value(names, static_cast<int>(i)))) return Fault{FaultCode::invalid, subject, "has a NUL inside a name", "do not use it: such a name is made to deceive"};
  return Done{};
}

bool is_issued_by(X509* certificate, X509* issuer) {
  const bool is = X509_check_issued(issuer, certificate) == X509_V_OK && X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  return is;
}

bool is_self_signed(X509* certificate) {
  const bool is = X509_self_signed(certificate, 1) == 1;
  ERR_clear_error();
  return is;
}

std::string brief(X509* certificate) {
  const tls::PeerCertificate said = tls::describe_certificate(certificate);
  return "\"" + said.subject + "\" (serial " + said.serial + ")";
}

std::string hex_digest(const unsigned char* data, std::size_t size) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(data, size, digest);
  static constexpr char hex[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) text.append(1, hex[byte >> 4]).append(1, hex[byte & 15]);
  return text;
}

std::string curve_of(EVP_PKEY* key) {
  char name[64] = "";
  std::size_t length = 0;
  EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, &length);
  const std::string_view curve = name;
  if (curve == "prime256v1" || curve == "P-256") return "P-256";
  if (curve == "secp384r1" || curve == "P-384") return "P-384";
  return curve.empty() ? "an unnamed curve" : std::string(curve);
}

struct Asked {
  const store::Secret* passphrase;
  bool was_asked = false;
};

int give_passphrase(char* buffer, int size, int, void* argument) {
  auto& asked = *static_cast<Asked*>(argument);
  asked.was_asked = true;
  if (asked.passphrase == nullptr || asked.passphrase->reveal().size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, asked.passphrase->reveal().data(), asked.passphrase->reveal().size());
  return static_cast<int>(asked.passphrase->reveal().size());
}

}  // namespace

Outcome<std::vector<CertificatePtr>> read_certificates(std::string_view pem, const std::string& file, std::size_t most) {
  if (const Outcome<> fine = check_size(pem, file); !fine) return fine.fault();
  std::vector<CertificatePtr> certificates;
  const BioPtr in = read_only(pem);
  ERR_clear_error();
  while (X509* read = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(read, &X509_free);
    const std::string subject = place(file, certificates.size());
    if (certificates.size() > most) {
      return Fault{FaultCode::invalid, file, "holds more than " + std::to_string(most) + " certificates", "give the certificate and the intermediates that lead to its authority, nothing else"};
    }
    if (const Outcome<> fine = check_names(read, subject); !fine) return fine.fault();
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return Fault{FaultCode::invalid, place(file, certificates.size() + 1), "is broken: " + last_reason(), "copy it again, from BEGIN to END line"};
  ERR_clear_error();
  // OpenSSL skips what does not look like PEM: a BEGIN line without its END is no reason to find nothing.
  std::size_t begun = 0;
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----", begin_trusted = "-----BEGIN TRUSTED CERTIFICATE-----", begin_old = "-----BEGIN X509 CERTIFICATE-----";
  for (const std::string_view line : {begin, begin_trusted, begin_old})
    for (std::size_t at = pem.find(line); at != std::string_view::npos; at = pem.find(line, at + 1)) ++begun;
  if (begun > certificates.size()) return Fault{FaultCode::invalid, place(file, certificates.size() + 1), "is cut short", "copy it again, from BEGIN to END line"};
  if (certificates.empty()) return Fault{FaultCode::invalid, file, "holds no PEM certificate", "give the PEM text of the certificate, with its BEGIN and END lines"};
  return certificates;
}

bool holds_private_key(std::string_view pem) { return pem.find("PRIVATE KEY-----") != std::string_view::npos; }

Outcome<KeyPtr> read_private_key(std::string_view pem, const std::string& file, const store::Secret* passphrase) {
  if (const Outcome<> fine = check_size(pem, file); !fine) return fine.fault();
  const BioPtr in = read_only(pem);
  Asked asked{passphrase};
  ERR_clear_error();
  KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, &give_passphrase, &asked), &EVP_PKEY_free);
  if (key != nullptr) return key;
  if (asked.was_asked && passphrase == nullptr) {
    ERR_clear_error();
    return Fault{FaultCode::invalid, file, "the private key is encrypted with a passphrase", "give the passphrase along with it, or decrypt it first: openssl pkey -in KEY -out KEY.pem"};
  }
  if (asked.was_asked) {
    ERR_clear_error();
    return Fault{FaultCode::invalid, file, "the private key does not open with this passphrase", "check the passphrase"};
  }
  return Fault{FaultCode::invalid, file, "holds no PEM private key that can be read: " + last_reason(), "give the key as PEM (PKCS#8, PKCS#1 or SEC1)"};
}

Outcome<tls::KeyFamily> judge_key(EVP_PKEY* key, const std::string& subject, bool allow_weak) {
  const char* remedy = "use RSA of 2048, 3072 or 4096 bits, or ECDSA on P-256 or P-384";
  if (key == nullptr) return Fault{FaultCode::invalid, subject, "has a public key of an unknown kind", remedy};
  const int kind = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);
  if (kind == EVP_PKEY_RSA) {
    if (bits > max_rsa_bits) return Fault{FaultCode::invalid, subject, "has an RSA key of " + std::to_string(bits) + " bits, at most " + std::to_string(max_rsa_bits) + " are served: each handshake would take too long", remedy};
    if (bits >= min_rsa_bits || (allow_weak && bits >= 1024)) return tls::KeyFamily::rsa;
    return Fault{FaultCode::invalid, subject, "has an RSA key of " + std::to_string(bits) + " bits, which peers refuse", remedy};
  }
  if (kind == EVP_PKEY_EC) {
    const std::string curve = curve_of(key);
    if (curve == "P-256" || curve == "P-384") return tls::KeyFamily::ecdsa;
    return Fault{FaultCode::invalid, subject, "has an ECDSA key on " + curve + ", which few clients can verify", remedy};
  }
  return Fault{FaultCode::invalid, subject, "has a " + key_text(key) + " key, which clients of this edge cannot be expected to verify", remedy};
}

std::string key_text(EVP_PKEY* key) {
  if (key == nullptr) return "unknown";
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_RSA) return "RSA " + std::to_string(EVP_PKEY_get_bits(key));
  if (kind == EVP_PKEY_EC) return "ECDSA " + curve_of(key);
  const char* name = EVP_PKEY_get0_type_name(key);
  return name == nullptr ? "unknown" : name;
}

Outcome<OrderedChain> order_chain(const std::vector<CertificatePtr>& certificates, EVP_PKEY* key, const std::string& file, const std::vector<CertificatePtr>& known) {
  OrderedChain result;
  std::vector<CertificatePtr> rest;
  for (const CertificatePtr& certificate : certificates) {
    const auto twin = std::find_if(rest.begin(), rest.end(), [&](const CertificatePtr& other) { return X509_cmp(other.get(), certificate.get()) == 0; });
    if (twin != rest.end()) {
      result.remarks.push_back(brief(certificate.get()) + " stands twice in it; once is kept");
      continue;
    }
    const auto same = std::find_if(rest.begin(), rest.end(), [&](const CertificatePtr& other) {
      return X509_NAME_cmp(X509_get_issuer_name(other.get()), X509_get_issuer_name(certificate.get())) == 0 && ASN1_INTEGER_cmp(X509_get0_serialNumber(other.get()), X509_get0_serialNumber(certificate.get())) == 0;
    });
    if (same != rest.end()) {
      return Fault{FaultCode::invalid, file, brief(same->get()) + " and " + brief(certificate.get()) + " have one issuer and one serial number, yet differ", "ask the authority which is valid, and give only that"};
    }
    rest.push_back(certificate);
  }
  // The leaf.
  std::vector<CertificatePtr> leaves;
  for (const CertificatePtr& candidate : rest) {
    if (key != nullptr) {
      if (EVP_PKEY_eq(X509_get0_pubkey(candidate.get()), key) == 1) leaves.push_back(candidate);
    } else {
      const bool issued_another = std::any_of(rest.begin(), rest.end(), [&](const CertificatePtr& other) { return other != candidate && is_issued_by(other.get(), candidate.get()); });
      if (!issued_another) leaves.push_back(candidate);
    }
    ERR_clear_error();
  }
  if (leaves.empty() && key == nullptr) return Fault{FaultCode::invalid, file, "its certificates issue each other in a loop", "give the server's certificate, then the intermediates up to the authority"};
  if (leaves.empty()) return Fault{FaultCode::conflict, file, "no certificate in it belongs to the private key", "upload the certificate that was issued for this key's request"};
  if (leaves.size() > 1) {
    return Fault{FaultCode::invalid, file, brief(leaves[0].get()) + " and " + brief(leaves[1].get()) + " do not belong to one chain", "give one server certificate with its intermediates"};
  }
  CertificatePtr current = leaves[0];
  std::erase(rest, current);
  result.certificates.push_back(current);
  while (!is_self_signed(current.get())) {
    const auto issuer = std::find_if(rest.begin(), rest.end(), [&](const CertificatePtr& other) { return is_issued_by(current.get(), other.get()); });
    if (issuer == rest.end()) break;
    current = *issuer;
    rest.erase(issuer);
    result.certificates.push_back(current);
  }
  if (!rest.empty()) {
    return Fault{FaultCode::invalid, file, brief(rest[0].get()) + " does not belong to the chain of " + brief(leaves[0].get()), "leave it out, or give the intermediate that is missing between them"};
  }
  const bool ends_in_root = result.certificates.size() > 1 && is_self_signed(current.get());
  result.is_complete = is_self_signed(current.get()) || std::any_of(known.begin(), known.end(), [&](const CertificatePtr& authority) { return is_issued_by(current.get(), authority.get()); });
  if (ends_in_root) {
    result.certificates.pop_back();
    result.remarks.push_back("the root " + brief(current.get()) + " is not sent to clients and was left out");
  }
  for (std::size_t i = 0, at = 0; i < certificates.size() && at < result.certificates.size(); ++i) {
    if (certificates[i] == result.certificates[at]) ++at;
    else if (std::find(result.certificates.begin(), result.certificates.end(), certificates[i]) != result.certificates.end()) {
      result.remarks.push_back("the order was mended: each certificate now stands before its issuer");
      break;
    }
  }
  return result;
}

std::string pem_of(X509* certificate) {
  const BioPtr out(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(out.get(), certificate);
  return written(out);
}

std::string pem_of(const std::vector<CertificatePtr>& certificates) {
  std::string text;
  for (const CertificatePtr& certificate : certificates) text += pem_of(certificate.get());
  return text;
}

std::string decoded_text(X509* certificate) {
  const BioPtr out(BIO_new(BIO_s_mem()), &BIO_free);
  X509_print_ex(out.get(), certificate, XN_FLAG_SEP_CPLUS_SPC | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB, 0);
  return written(out);
}

std::string der_of(X509* certificate) {
  unsigned char* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

store::Secret der_of(EVP_PKEY* key) {
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, decltype(&PKCS8_PRIV_KEY_INFO_free)> info(EVP_PKEY2PKCS8(key), &PKCS8_PRIV_KEY_INFO_free);
  if (info == nullptr) return {};
  unsigned char* data = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &data);
  if (size <= 0) return {};
  store::Secret der(std::string_view(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)));
  OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  return der;
}

Outcome<CertificatePtr> certificate_from_der(std::string_view der, const std::string& subject) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  CertificatePtr certificate(d2i_X509(nullptr, &data, static_cast<long>(der.size())), &X509_free);
  if (certificate != nullptr) return certificate;
  return Fault{FaultCode::invalid, subject, "is damaged in the store: " + last_reason(), "restore the store from a backup, or upload the certificate again"};
}

Outcome<KeyPtr> key_from_der(std::string_view der, const std::string& subject) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  KeyPtr key(d2i_AutoPrivateKey(nullptr, &data, static_cast<long>(der.size())), &EVP_PKEY_free);
  if (key != nullptr) return key;
  return Fault{FaultCode::invalid, subject, "has a private key that is damaged in the store: " + last_reason(), "restore the store from a backup, or upload certificate and key again"};
}

std::string public_key_digest(EVP_PKEY* key) {
  unsigned char* data = nullptr;
  const int size = key == nullptr ? 0 : i2d_PUBKEY(key, &data);
  if (size <= 0) return {};
  std::string digest = hex_digest(data, static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return digest;
}

std::string authority_key_digest(X509* certificate) { return tls::key_digest(certificate); }

}  // namespace sallyport::certificates
