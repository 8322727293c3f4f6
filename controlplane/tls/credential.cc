// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/credential.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace sallyport::tls {
namespace {

using FilePtr = std::unique_ptr<FILE, int (*)(FILE*)>;

constexpr long max_file_bytes = 16 << 20;  // a bundle of all public CAs is below 1 MB

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "unknown reason" : reason;
}

Outcome<FilePtr> open_file(const std::string& subject, const std::string& path) {
  FilePtr file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (file == nullptr) {
    const int error = errno;
    const bool denied = error == EACCES;
    return Fault{denied ? FaultCode::refused : FaultCode::missing, subject + " " + path, std::string("cannot be opened: ") + std::strerror(error),
                 denied ? "let the service's user read it" : "check the path"};
  }
  struct stat status {};
  if (fstat(fileno(file.get()), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > max_file_bytes) {
    return Fault{FaultCode::invalid, subject + " " + path, "is not a regular file of at most 16 MiB", "give the path of a PEM file"};
  }
  return file;
}

// All certificates of a PEM file, in its order. An empty file, or garbage inside a BEGIN block, is a Fault.
Outcome<std::vector<std::shared_ptr<X509>>> read_certificates(const std::string& subject, const std::string& path) {
  auto file = open_file(subject, path);
  if (!file) return file.fault();
  std::vector<std::shared_ptr<X509>> certificates;
  ERR_clear_error();
  while (X509* certificate = PEM_read_X509(file->get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate, &X509_free);
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return Fault{FaultCode::invalid, subject + " " + path, "certificate " + std::to_string(certificates.size() + 1) + " is broken: " + openssl_reason(), "give PEM certificates, the leaf first"};
  ERR_clear_error();
  if (certificates.empty()) return Fault{FaultCode::invalid, subject + " " + path, "holds no PEM certificate", "give PEM certificates, the leaf first"};
  return certificates;
}

int note_password_asked(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Outcome<std::shared_ptr<EVP_PKEY>> read_key(const std::string& label, const std::string& path, std::vector<std::string>& warnings) {
  const std::string subject = label + ": key file";
  auto file = open_file(subject, path);
  if (!file) return file.fault();
  bool password_asked = false;
  ERR_clear_error();
  std::shared_ptr<EVP_PKEY> key(PEM_read_PrivateKey(file->get(), nullptr, &note_password_asked, &password_asked), &EVP_PKEY_free);
  if (password_asked) {
    ERR_clear_error();
    return Fault{FaultCode::invalid, subject + " " + path, "is encrypted with a passphrase", "decrypt it with: openssl pkey -in KEY -out KEY.pem, and protect it by file mode 0640"};
  }
  if (key == nullptr) return Fault{FaultCode::invalid, subject + " " + path, "is no PEM private key: " + openssl_reason(), "give the key that belongs to the certificate"};
  struct stat status {};
  if (fstat(fileno(file->get()), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
    warnings.push_back(subject + " " + path + ": can be read by everyone on this machine; chmod 0640 it");
  }
  return key;
}

Outcome<std::shared_ptr<const Credential>> read_credential(const CredentialFiles& files, std::vector<std::string>& warnings) {
  const std::string label = files.label.empty() ? "credential" : files.label;
  auto certificates = read_certificates(label + ": certificate file", files.certificate_path);
  if (!certificates) return certificates.fault();
  auto key = read_key(label, files.key_path, warnings);
  if (!key) return key.fault();
  auto credential = std::make_shared<Credential>();
  credential->label = label;
  credential->certificate = certificates->front();
  credential->key = *key;
  credential->description = describe_certificate(credential->certificate.get());
  if (X509_check_private_key(credential->certificate.get(), key->get()) != 1) {
    ERR_clear_error();
    return Fault{FaultCode::invalid, label + ": key file " + files.key_path, "does not belong to certificate " + credential->description.serial + " in " + files.certificate_path,
                 "upload the key that the certificate's request was made with; a cluster peer has its own"};
  }
  credential->chain_stack = std::shared_ptr<STACK_OF(X509)>(sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  credential->chain.assign(certificates->begin() + 1, certificates->end());
  for (const auto& certificate : credential->chain) sk_X509_push(credential->chain_stack.get(), certificate.get());
  const PeerCertificate& said = credential->description;
  const int64_t now_s = std::time(nullptr);
  if (said.not_after_s < now_s) warnings.push_back(label + ": certificate " + said.serial + " in " + files.certificate_path + " has expired; renew it");
  if (said.not_before_s > now_s) warnings.push_back(label + ": certificate " + said.serial + " in " + files.certificate_path + " is not yet valid; check the clock");
  if (said.names.empty()) warnings.push_back(label + ": certificate " + said.serial + " has no SAN; peers that ignore the CN will refuse it");
  return std::shared_ptr<const Credential>(std::move(credential));
}

std::string lower_name(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  std::string result(name);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

Outcome<std::shared_ptr<X509_STORE>> read_trust(const std::vector<std::string>& paths, std::vector<PeerCertificate>& trusted) {
  std::shared_ptr<X509_STORE> store(X509_STORE_new(), &X509_STORE_free);
  for (const std::string& path : paths) {
    auto certificates = read_certificates("trusted CA file", path);
    if (!certificates) return certificates.fault();
    for (const auto& certificate : *certificates) {
      if (X509_STORE_add_cert(store.get(), certificate.get()) != 1) {
        return Fault{FaultCode::invalid, "trusted CA file " + path, openssl_reason(), "remove the broken certificate"};
      }
      trusted.push_back(describe_certificate(certificate.get()));
    }
  }
  return store;
}

}  // namespace

const Credential* CredentialSnapshot::find(std::string_view sni) const {
  if (sni.empty() || exact_.size() + wildcard_.size() == 0) return platform_.get();
  const std::string name = lower_name(sni);
  if (const auto found = exact_.find(name); found != exact_.end()) return found->second.get();
  const size_t dot = name.find('.');
  if (dot != std::string::npos) {
    if (const auto found = wildcard_.find(name.substr(dot + 1)); found != wildcard_.end()) return found->second.get();
  }
  return platform_.get();
}

Outcome<std::shared_ptr<CredentialStore>> CredentialStore::load(CredentialSource source) {
  std::shared_ptr<CredentialStore> store(new CredentialStore());
  auto loaded = store->reload(std::move(source));
  if (!loaded) return loaded.fault();
  return store;
}

Outcome<> CredentialStore::reload() {
  CredentialSource source;
  {
    const std::lock_guard lock(mutex_);
    source = source_;
  }
  return reload(std::move(source));
}

Outcome<> CredentialStore::reload(CredentialSource source) {
  auto next = std::make_shared<CredentialSnapshot>();
  const auto add = [&](const CredentialFiles& files) -> Outcome<std::shared_ptr<const Credential>> {
    auto credential = read_credential(files, next->warnings_);
    if (credential) next->all_.push_back(*credential);
    return credential;
  };
  if (!source.platform.certificate_path.empty()) {
    auto credential = add(source.platform);
    if (!credential) return credential.fault();
    next->platform_ = *credential;
  }
  for (const CredentialFiles& files : source.domains) {
    auto credential = add(files);
    if (!credential) return credential.fault();
    for (const CertificateName& name : (*credential)->description.names) {
      if (name.kind != NameKind::dns) continue;
      // The first of two certificates for one name wins, so that the order in the configuration decides.
      if (name.value.rfind("*.", 0) == 0) next->wildcard_.emplace(name.value.substr(2), *credential);
      else next->exact_.emplace(lower_name(name.value), *credential);
    }
  }
  auto trust = read_trust(source.ca_paths, next->trusted_);
  if (!trust) return trust.fault();
  next->trust_ = *trust;
  for (const std::string& path : source.ca_paths) next->trust_origin_ += (next->trust_origin_.empty() ? "" : ", ") + path;
  const std::lock_guard lock(mutex_);
  next->revision_ = ++revision_;
  source_ = std::move(source);
  current_ = std::move(next);
  return Done{};
}

std::shared_ptr<const CredentialSnapshot> CredentialStore::snapshot() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

}  // namespace sallyport::tls
