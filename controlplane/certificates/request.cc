// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/request.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

namespace sallyport::certificates {
namespace {

using RequestPtr = std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), void (*)(STACK_OF(X509_EXTENSION)*)>;

constexpr std::array kinds = {"rsa-1024", "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"};
constexpr std::array digests = {"sha256", "sha384", "sha512"};
constexpr const char* xmpp_address_oid = "1.3.6.1.5.5.7.8.5";  // id-on-xmppAddr, RFC 6120 13.7.1.4
constexpr const char* srv_name_oid = "1.3.6.1.5.5.7.8.7";      // id-on-dnsSRV, RFC 4985

Fault internal(const char* what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return Fault{FaultCode::internal, what, reason == nullptr ? "OpenSSL gave no reason" : reason, "look at memory and entropy of this machine"};
}

RequestPtr parse(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  RequestPtr request(PEM_read_bio_X509_REQ(in.get(), nullptr, nullptr, nullptr), &X509_REQ_free);
  ERR_clear_error();
  return request;
}

ExtensionsPtr no_extensions() {
  return {nullptr, [](STACK_OF(X509_EXTENSION)* list) { sk_X509_EXTENSION_pop_free(list, &X509_EXTENSION_free); }};
}

GENERAL_NAME* make_name(const tls::CertificateName& name) {
  GENERAL_NAME* made = GENERAL_NAME_new();
  if (made == nullptr) return nullptr;
  const auto* text = reinterpret_cast<const unsigned char*>(name.value.data());
  const int size = static_cast<int>(name.value.size());
  if (name.kind == tls::NameKind::ip) {
    unsigned char raw[16];
    const bool is_v4 = inet_pton(AF_INET, name.value.c_str(), raw) == 1;
    if (!is_v4 && inet_pton(AF_INET6, name.value.c_str(), raw) != 1) {
      GENERAL_NAME_free(made);
      return nullptr;
    }
    ASN1_OCTET_STRING* bytes = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(bytes, raw, is_v4 ? 4 : 16);
    GENERAL_NAME_set0_value(made, GEN_IPADD, bytes);
    return made;
  }
  if (name.kind == tls::NameKind::xmpp_address || name.kind == tls::NameKind::srv) {
    const bool is_xmpp = name.kind == tls::NameKind::xmpp_address;
    ASN1_STRING* bytes = is_xmpp ? ASN1_UTF8STRING_new() : ASN1_IA5STRING_new();
    ASN1_STRING_set(bytes, text, size);
    ASN1_TYPE* value = ASN1_TYPE_new();
    ASN1_TYPE_set(value, is_xmpp ? V_ASN1_UTF8STRING : V_ASN1_IA5STRING, bytes);
    GENERAL_NAME_set0_othername(made, OBJ_txt2obj(is_xmpp ? xmpp_address_oid : srv_name_oid, 1), value);
    return made;
  }
  ASN1_IA5STRING* bytes = ASN1_IA5STRING_new();
  ASN1_STRING_set(bytes, text, size);
  GENERAL_NAME_set0_value(made, name.kind == tls::NameKind::uri ? GEN_URI : name.kind == tls::NameKind::email ? GEN_EMAIL : GEN_DNS, bytes);
  return made;
}

bool add_extension(STACK_OF(X509_EXTENSION)* list, int kind, bool critical, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, const_cast<char*>(((critical ? "critical," : "") + std::string(value)).c_str()));
  return extension != nullptr && sk_X509_EXTENSION_push(list, extension) > 0;
}

bool has_name(const std::vector<tls::CertificateName>& names, const tls::CertificateName& wanted) {
  return std::any_of(names.begin(), names.end(), [&](const tls::CertificateName& name) {
    return name.kind == wanted.kind && std::equal(name.value.begin(), name.value.end(), wanted.value.begin(), wanted.value.end(), [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b)); });
  });
}

}  // namespace

const char* name_of(KeyKind kind) { return kinds[static_cast<std::size_t>(kind)]; }
const char* name_of(Digest digest) { return digests[static_cast<std::size_t>(digest)]; }

std::optional<KeyKind> key_kind_from(std::string_view name) {
  const auto* found = std::find(kinds.begin(), kinds.end(), name);
  if (found == kinds.end()) return std::nullopt;
  return static_cast<KeyKind>(found - kinds.begin());
}

std::optional<Digest> digest_from(std::string_view name) {
  const auto* found = std::find(digests.begin(), digests.end(), name);
  if (found == digests.end()) return std::nullopt;
  return static_cast<Digest>(found - digests.begin());
}

tls::KeyFamily family_of(KeyKind kind) { return kind == KeyKind::ecdsa_p256 || kind == KeyKind::ecdsa_p384 ? tls::KeyFamily::ecdsa : tls::KeyFamily::rsa; }

Outcome<KeyPtr> make_key(KeyKind kind) {
  EVP_PKEY* made = nullptr;
  switch (kind) {
    case KeyKind::rsa_1024: made = EVP_RSA_gen(1024); break;
    case KeyKind::rsa_2048: made = EVP_RSA_gen(2048); break;
    case KeyKind::rsa_3072: made = EVP_RSA_gen(3072); break;
    case KeyKind::rsa_4096: made = EVP_RSA_gen(4096); break;
    case KeyKind::ecdsa_p256: made = EVP_EC_gen("P-256"); break;
    case KeyKind::ecdsa_p384: made = EVP_EC_gen("P-384"); break;
  }
  if (made == nullptr) return internal("making a private key");
  return KeyPtr(made, &EVP_PKEY_free);
}

Outcome<std::string> make_request(const RequestWish& wish, EVP_PKEY* key) {
  const RequestPtr request(X509_REQ_new(), &X509_REQ_free);
  if (request == nullptr || X509_REQ_set_version(request.get(), 0) != 1 || X509_REQ_set_pubkey(request.get(), key) != 1) return internal("making a request");
  const RequestSubject& subject = wish.subject;
  const std::pair<const char*, const std::string*> fields[] = {{"C", &subject.country}, {"ST", &subject.state}, {"L", &subject.locality}, {"O", &subject.organization}, {"OU", &subject.unit}, {"CN", &subject.common_name}};
  for (const auto& [field, value] : fields) {
    if (value->empty()) continue;
    if (X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value->data()), static_cast<int>(value->size()), -1, 0) == 1) continue;
    ERR_clear_error();
    return Fault{FaultCode::invalid, std::string("request: subject field ") + field, "\"" + *value + "\" is not taken", "give at most 64 characters; the country has two letters"};
  }
  ExtensionsPtr extensions = no_extensions();
  extensions.reset(sk_X509_EXTENSION_new_null());
  const NamesPtr names(GENERAL_NAMES_new(), &GENERAL_NAMES_free);
  for (const tls::CertificateName& name : wish.names) {
    GENERAL_NAME* made = make_name(name);
    if (made == nullptr) return Fault{FaultCode::invalid, "request: name " + text_of(name), "cannot be put into a certificate", "correct it"};
    sk_GENERAL_NAME_push(names.get(), made);
  }
  if (!wish.names.empty()) {
    X509_EXTENSION* extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get());
    if (extension == nullptr || sk_X509_EXTENSION_push(extensions.get(), extension) <= 0) return internal("making a request");
  }
  const char* usages = wish.server_auth && wish.client_auth ? "serverAuth,clientAuth" : wish.client_auth ? "clientAuth" : "serverAuth";
  const bool is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
  if (!add_extension(extensions.get(), NID_key_usage, true, is_rsa ? "digitalSignature,keyEncipherment" : "digitalSignature") ||
      !add_extension(extensions.get(), NID_ext_key_usage, false, usages) || X509_REQ_add_extensions(request.get(), extensions.get()) != 1) {
    return internal("making a request");
  }
  const EVP_MD* digest = wish.digest == Digest::sha256 ? EVP_sha256() : wish.digest == Digest::sha384 ? EVP_sha384() : EVP_sha512();
  if (X509_REQ_sign(request.get(), key, digest) <= 0) return internal("signing a request");
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509_REQ(out.get(), request.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Outcome<RequestFacts> read_request(std::string_view pem, const std::string& file) {
  const RequestPtr request = parse(pem);
  if (request == nullptr) return Fault{FaultCode::invalid, file, "is no request (PKCS#10) in PEM that can be read", "make a new one"};
  RequestFacts facts;
  char* line = X509_NAME_oneline(X509_REQ_get_subject_name(request.get()), nullptr, 0);
  facts.subject = line == nullptr ? "" : line;
  OPENSSL_free(line);
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  facts.key_digest = public_key_digest(key);
  facts.key = key_text(key);
  int digest = NID_undef;
  if (OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request.get()), &digest, nullptr) == 1) facts.digest = OBJ_nid2sn(digest);
  ExtensionsPtr extensions = no_extensions();
  extensions.reset(X509_REQ_get_extensions(request.get()));
  // Names and usages are read by the same eyes as those of certificates: put into one that nobody signs.
  const std::unique_ptr<X509, decltype(&X509_free)> dummy(X509_new(), &X509_free);
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions.get()); ++i) X509_add_ext(dummy.get(), sk_X509_EXTENSION_value(extensions.get(), i), -1);
  const tls::PeerCertificate said = tls::describe_certificate(dummy.get());
  facts.names = said.names;
  facts.server_auth = said.has_extended_key_usage && said.allows_server_auth;
  facts.client_auth = said.has_extended_key_usage && said.allows_client_auth;
  ERR_clear_error();
  return facts;
}

std::string decoded_request(std::string_view pem) {
  const RequestPtr request = parse(pem);
  if (request == nullptr) return {};
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  X509_REQ_print_ex(out.get(), request.get(), XN_FLAG_SEP_CPLUS_SPC | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB, 0);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string request_der(std::string_view pem) {
  const RequestPtr request = parse(pem);
  unsigned char* data = nullptr;
  const int size = request == nullptr ? 0 : i2d_X509_REQ(request.get(), &data);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

std::vector<std::string> differences(const RequestFacts& asked, X509* issued) {
  std::vector<std::string> found;
  const tls::PeerCertificate said = tls::describe_certificate(issued);
  for (const tls::CertificateName& name : asked.names)
    if (!has_name(said.names, name)) found.push_back("the authority left out the name " + text_of(name));
  for (const tls::CertificateName& name : said.names)
    if (!has_name(asked.names, name)) found.push_back("the authority added the name " + text_of(name));
  if (asked.client_auth && !said.allows_client_auth) found.emplace_back("the authority dropped clientAuth");
  if (asked.server_auth && !said.allows_server_auth) found.emplace_back("the authority dropped serverAuth");
  if (!asked.key_digest.empty() && public_key_digest(X509_get0_pubkey(issued)) != asked.key_digest) found.emplace_back("the certificate has another key than the request");
  return found;
}

std::string text_of(const tls::CertificateName& name) {
  tls::PeerCertificate one;
  one.names.push_back(name);
  return one.names_text();
}

}  // namespace sallyport::certificates
