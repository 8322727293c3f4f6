// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tls/certificate_factory.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace sallyport::tls_test {
namespace {

using CertificatePtr = std::shared_ptr<X509>;
using KeyPtr = std::shared_ptr<EVP_PKEY>;

void must(bool fine, const char* what) {
  if (!fine) throw std::runtime_error(std::string("certificate factory: ") + what);
}

KeyPtr make_key() {
  KeyPtr key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  must(key != nullptr, "key");
  return key;
}

long next_serial() {
  static long serial = 0x1000;
  return ++serial;
}

void set_name(X509* certificate, const std::string& common_name) {
  X509_NAME* name = X509_get_subject_name(certificate);
  must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0) == 1, "CN");
}

void add(X509* certificate, X509* issuer, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  must(extension != nullptr, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

CertificatePtr blank(EVP_PKEY* key, long not_before_s, long not_after_s) {
  CertificatePtr certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), next_serial());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), not_before_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), not_after_s);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

void write_certificate(const std::string& path, X509* certificate) {
  FILE* file = std::fopen(path.c_str(), "w");
  must(file != nullptr, "file");
  PEM_write_X509(file, certificate);
  std::fclose(file);
}

void write_key(const std::string& path, EVP_PKEY* key, const char* passphrase) {
  FILE* file = std::fopen(path.c_str(), "w");
  must(file != nullptr, "file");
  PEM_write_PrivateKey(file, key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), nullptr, 0, nullptr, const_cast<char*>(passphrase));
  std::fclose(file);
  chmod(path.c_str(), 0600);
}

}  // namespace

struct Authorities {
  std::map<std::string, std::pair<CertificatePtr, KeyPtr>> by_name;
  std::map<std::string, KeyPtr> leaf_keys;
};

CertificateFactory::CertificateFactory() : authorities_(std::make_unique<Authorities>()) {
  char path[] = "/tmp/sallyport-tls-XXXXXX";
  must(mkdtemp(path) != nullptr, "folder");
  folder_ = path;
}

CertificateFactory::~CertificateFactory() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string CertificateFactory::ca(const std::string& name) {
  const std::string file = path(name + ".pem");
  if (authorities_->by_name.count(name) != 0) return file;
  const KeyPtr key = make_key();
  const CertificatePtr certificate = blank(key.get(), -86400, 10 * 86400);
  set_name(certificate.get(), "Test CA " + name);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  add(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  add(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  must(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "sign");
  write_certificate(file, certificate.get());
  authorities_->by_name[name] = {certificate, key};
  return file;
}

Issued CertificateFactory::leaf(const std::string& name, const LeafWish& wish, const std::string& ca_name) {
  ca(ca_name);
  const auto& [authority, authority_key] = authorities_->by_name[ca_name];
  const KeyPtr key = make_key();
  const CertificatePtr certificate = blank(key.get(), wish.not_before_s, wish.not_after_s);
  set_name(certificate.get(), wish.common_name);
  X509* issuer = wish.self_signed ? certificate.get() : authority.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  add(certificate.get(), issuer, NID_basic_constraints, "CA:FALSE");
  add(certificate.get(), issuer, NID_subject_alt_name, wish.subject_alt_names);
  add(certificate.get(), issuer, NID_ext_key_usage, wish.extended_key_usage);
  must(X509_sign(certificate.get(), wish.self_signed ? key.get() : authority_key.get(), EVP_sha256()) > 0, "sign");
  Issued issued{path(name + ".pem"), path(name + ".key"), ""};
  write_certificate(issued.certificate_path, certificate.get());
  write_key(issued.key_path, key.get(), nullptr);
  authorities_->leaf_keys[name] = key;
  char serial[32];
  std::snprintf(serial, sizeof serial, "%lX", ASN1_INTEGER_get(X509_get0_serialNumber(certificate.get())));
  issued.serial = serial;
  return issued;
}

void CertificateFactory::write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

std::string CertificateFactory::read(const std::string& name) const {
  std::stringstream text;
  text << std::ifstream(path(name)).rdbuf();
  return text.str();
}

std::string CertificateFactory::encrypted_key(const std::string& name) const {
  const std::string file = path(name + ".encrypted.key");
  write_key(file, authorities_->leaf_keys.at(name).get(), "secret");
  return file;
}

}  // namespace sallyport::tls_test
