// SPDX-License-Identifier: Apache-2.0
#pragma once
// CertificateFactory: makes CAs and leaf certificates with the faults a test wants, as PEM files in a folder of its own that goes
// with it. ECDSA P-256, so that a handshake is cheap.

#include <openssl/types.h>

#include <memory>
#include <string>

namespace sallyport::tls_test {

struct LeafWish {
  std::string common_name = "leaf";
  std::string subject_alt_names;                       // OpenSSL syntax: "DNS:a.example,IP:127.0.0.1"; empty: no SAN
  std::string extended_key_usage = "serverAuth,clientAuth";  // empty: no EKU
  long not_before_s = -3600;                           // relative to now
  long not_after_s = 86400;
  bool self_signed = false;
};

struct Issued {
  std::string certificate_path, key_path, serial;
};

class CertificateFactory {
 public:
  CertificateFactory();
  ~CertificateFactory();
  CertificateFactory(const CertificateFactory&) = delete;
  CertificateFactory& operator=(const CertificateFactory&) = delete;

  const std::string& folder() const { return folder_; }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  // A self-signed CA, made on first use of its name; returns the path of its certificate.
  std::string ca(const std::string& name = "ca");
  // Writes name.pem and name.key, replacing what was there.
  Issued leaf(const std::string& name, const LeafWish& wish, const std::string& ca_name = "ca");
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;
  // The key of name, encrypted with a passphrase.
  std::string encrypted_key(const std::string& name) const;

 private:
  struct Authority;
  std::string folder_;
  std::unique_ptr<struct Authorities> authorities_;
};

}  // namespace sallyport::tls_test
