// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/credential.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include <algorithm>
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

KeyFamily family_of(EVP_PKEY* key) { return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC ? KeyFamily::ecdsa : KeyFamily::rsa; }

Outcome<HeldCredentialPtr> read_credential(const CredentialFiles& files, std::vector<std::string>& warnings) {
  const std::string label = files.label.empty() ? "credential" : files.label;
  auto certificates = read_certificates(label + ": certificate file", files.certificate_path);
  if (!certificates) return certificates.fault();
  auto key = read_key(label, files.key_path, warnings);
  if (!key) return key.fault();
  const PeerCertificate said = describe_certificate(certificates->front().get());
  if (X509_check_private_key(certificates->front().get(), key->get()) != 1) {
    ERR_clear_error();
    return Fault{FaultCode::invalid, label + ": key file " + files.key_path, "does not belong to certificate " + said.serial + " in " + files.certificate_path,
                 "upload the key that the certificate's request was made with; a cluster peer has its own"};
  }
  const int64_t now_s = std::time(nullptr);
  if (said.not_after_s < now_s) warnings.push_back(label + ": certificate " + said.serial + " in " + files.certificate_path + " has expired; renew it");
  if (said.not_before_s > now_s) warnings.push_back(label + ": certificate " + said.serial + " in " + files.certificate_path + " is not yet valid; check the clock");
  if (said.names.empty()) warnings.push_back(label + ": certificate " + said.serial + " has no SAN; peers that ignore the CN will refuse it");
  std::vector<std::string> names;
  for (const CertificateName& name : said.names)
    if (name.kind == NameKind::dns) names.push_back(name.value);
  const auto made = make_credential(label, certificates->front(), *key, make_intermediate_chain({certificates->begin() + 1, certificates->end()}));
  auto held = std::make_shared<const HeldCredential>(label, family_of(key->get()), std::move(names), "", [made] { return Outcome<std::shared_ptr<const Credential>>(made); });
  held->get();
  return HeldCredentialPtr(std::move(held));
}

std::string lower_name(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  std::string result(name);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

Outcome<std::shared_ptr<X509_STORE>> read_trust(const CredentialSource& source, std::vector<PeerCertificate>& trusted) {
  std::shared_ptr<X509_STORE> store(X509_STORE_new(), &X509_STORE_free);
  const auto add = [&](X509* certificate, const std::string& origin) -> Outcome<> {
    if (X509_STORE_add_cert(store.get(), certificate) != 1) return Fault{FaultCode::invalid, origin, openssl_reason(), "remove the broken certificate"};
    trusted.push_back(describe_certificate(certificate));
    return Done{};
  };
  for (const std::string& path : source.ca_paths) {
    auto certificates = read_certificates("trusted CA file", path);
    if (!certificates) return certificates.fault();
    for (const auto& certificate : *certificates)
      if (const Outcome<> added = add(certificate.get(), "trusted CA file " + path); !added) return added.fault();
  }
  for (const TrustedCertificate& entry : source.trusted)
    if (const Outcome<> added = add(entry.certificate.get(), entry.origin); !added) return added.fault();
  return store;
}

}  // namespace

const char* name_of(KeyFamily family) { return family == KeyFamily::rsa ? "rsa" : "ecdsa"; }

IntermediateChain make_intermediate_chain(const std::vector<std::shared_ptr<X509>>& links) {
  // It holds what it was given, so that who looks for these certificates by a weak_ptr finds them.
  IntermediateChain chain(sk_X509_new_reserve(nullptr, static_cast<int>(links.size())), [links](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (const auto& link : links) sk_X509_push(chain.get(), link.get());
  return chain;
}

std::vector<std::shared_ptr<X509>> links_of(const IntermediateChain& chain) {
  std::vector<std::shared_ptr<X509>> links;
  for (int at = 0; chain != nullptr && at < sk_X509_num(chain.get()); ++at) {
    X509* link = sk_X509_value(chain.get(), at);
    if (X509_up_ref(link) == 1) links.emplace_back(link, &X509_free);
  }
  return links;
}

std::shared_ptr<const Credential> make_credential(std::string label, std::shared_ptr<X509> certificate, std::shared_ptr<EVP_PKEY> key, IntermediateChain chain) {
  return std::make_shared<const Credential>(Credential{std::move(label), std::move(certificate), std::move(key), std::move(chain)});
}

std::shared_ptr<const Credential> HeldCredential::get() const {
  if (auto loaded = loaded_.load()) return loaded;
  auto read = loader_();
  if (!read) {
    failures_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  loaded_.store(*read);
  return *read;
}

ServedCredential CredentialSnapshot::load(const Families& families) {
  ServedCredential served;
  if (families.ecdsa != nullptr) served.first = families.ecdsa->get();
  if (families.rsa != nullptr) (served.first == nullptr ? served.first : served.second) = families.rsa->get();
  return served;
}

const CredentialSnapshot::Families* CredentialSnapshot::look_up(std::string_view sni, Match& match) const {
  match = Match::none;
  if (!sni.empty() && exact_.size() + wildcard_.size() != 0) {
    const std::string name = lower_name(sni);
    if (const auto found = exact_.find(name); found != exact_.end()) {
      match = Match::exact;
      return &found->second;
    }
    const size_t dot = name.find('.');
    if (dot != std::string::npos) {
      if (const auto found = wildcard_.find(name.substr(dot + 1)); found != wildcard_.end()) {
        match = Match::wildcard;
        return &found->second;
      }
    }
  }
  if (platform_.is_empty()) return nullptr;
  match = Match::platform;
  return &platform_;
}

ServedCredential CredentialSnapshot::find(std::string_view sni) const {
  Match match;
  const Families* families = look_up(sni, match);
  if (families == nullptr) return {};
  ServedCredential served = load(*families);
  // One that cannot be read must not take its name off the air as long as there is another to answer with.
  return served || match == Match::platform ? served : platform();
}

CredentialSnapshot::Explanation CredentialSnapshot::explain(std::string_view sni) const {
  Explanation explanation;
  const Families* families = look_up(sni, explanation.match);
  if (families == nullptr) return explanation;
  if (families->ecdsa != nullptr) explanation.served.push_back(families->ecdsa);
  if (families->rsa != nullptr) explanation.served.push_back(families->rsa);
  return explanation;
}

// opaque DistinguishedName<1..2^16-1>; DistinguishedName authorities<3..2^16-1>.
ServedCredential CredentialSnapshot::find_asked(std::string_view authorities) const {
  ServedCredential served;
  const auto size_at = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(authorities[at])) << 8 | static_cast<unsigned char>(authorities[at + 1]); };
  if (asked_.empty() || authorities.size() < 2 || size_at(0) != authorities.size() - 2) return served;
  for (size_t at = 2; at + 2 <= authorities.size();) {
    const size_t size = size_at(at);
    if (at + 2 + size > authorities.size()) return served;
    const std::string_view name = authorities.substr(at + 2, size);
    for (const AskedCredential& asked : asked_)
      if (served.first == nullptr && asked.issuer == name) served.first = asked.held->get();
    at += 2 + size;
  }
  return served;
}

ServedCredential CredentialSnapshot::first_asked() const {
  ServedCredential served;
  if (!asked_.empty()) served.first = asked_.front().held->get();
  return served;
}

bool CredentialSnapshot::is_withdrawn(X509* peer) const {
  return !withdrawn_keys_.empty() && std::find(withdrawn_keys_.begin(), withdrawn_keys_.end(), key_digest(peer)) != withdrawn_keys_.end();
}

bool CredentialSnapshot::covers(std::string_view sni) const {
  Match match;
  if (look_up(sni, match) == nullptr) return false;
  if (match != Match::platform) return true;
  const std::string name = lower_name(sni);
  for (const HeldCredentialPtr& held : {platform_.rsa, platform_.ecdsa}) {
    if (held == nullptr) continue;
    for (const std::string& own : held->names()) {
      if (own == name) return true;
      const size_t dot = name.find('.');
      if (own.starts_with("*.") && dot != std::string::npos && name.compare(dot + 1, std::string::npos, own, 2) == 0) return true;
    }
  }
  return false;
}

// The first of two certificates for one name wins, so that the order of installation decides, unless the name lies in the domain
// that the other was installed for. What ranks lower is not served beside it either, whatever its key family.
void CredentialSnapshot::offer(Families& families, const HeldCredentialPtr& held, std::string_view name) {
  const auto rank = [&](const HeldCredentialPtr& credential) -> size_t {
    const std::string& home = credential->home();
    const bool is_at_home = !home.empty() && name.ends_with(home) && (name.size() == home.size() || name[name.size() - home.size() - 1] == '.');
    return is_at_home ? home.size() : 0;
  };
  HeldCredentialPtr& place = held->family() == KeyFamily::rsa ? families.rsa : families.ecdsa;
  HeldCredentialPtr& other = held->family() == KeyFamily::rsa ? families.ecdsa : families.rsa;
  const size_t wanted = rank(held);
  if (other != nullptr && rank(other) > wanted) return;
  if (other != nullptr && rank(other) < wanted) other = nullptr;
  if (place == nullptr || rank(place) < wanted) place = held;
}

void CredentialSnapshot::add(const HeldCredentialPtr& held) {
  all_.push_back(held);
  for (const std::string& name : held->names()) {
    if (name.starts_with("*.")) offer(wildcard_[name.substr(2)], held, std::string_view(name).substr(2));
    else offer(exact_[lower_name(name)], held, lower_name(name));
  }
}

void UncoveredNames::note(std::string_view sni) {
  const std::string name = shown_host_name(sni);
  const std::lock_guard lock(mutex_);
  ++total_;
  if (name.empty()) return;
  if (const auto found = asked_.find(name); found != asked_.end()) ++found->second;
  else if (asked_.size() < most_names) asked_.emplace(name, 1);
}

std::vector<std::pair<std::string, uint64_t>> UncoveredNames::list() const {
  std::vector<std::pair<std::string, uint64_t>> names;
  {
    const std::lock_guard lock(mutex_);
    names.assign(asked_.begin(), asked_.end());
  }
  std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; });
  return names;
}

uint64_t UncoveredNames::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

void UncoveredNames::forget_covered(const CredentialSnapshot& snapshot) {
  const std::lock_guard lock(mutex_);
  std::erase_if(asked_, [&](const auto& entry) { return snapshot.covers(entry.first); });
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
  auto next = read(source);
  if (!next) return next.fault();
  take(std::move(source), std::move(*next));
  return Done{};
}

Outcome<std::shared_ptr<CredentialSnapshot>> CredentialStore::read(const CredentialSource& source) {
  auto next = std::make_shared<CredentialSnapshot>();
  if (!source.held_platform.empty()) {
    for (const HeldCredentialPtr& held : source.held_platform) {
      (held->family() == KeyFamily::rsa ? next->platform_.rsa : next->platform_.ecdsa) = held;
      next->all_.push_back(held);
    }
  } else if (!source.platform.certificate_path.empty()) {
    auto held = read_credential(source.platform, next->warnings_);
    if (!held) return held.fault();
    ((*held)->family() == KeyFamily::rsa ? next->platform_.rsa : next->platform_.ecdsa) = *held;
    next->all_.push_back(*held);
  }
  for (const CredentialFiles& files : source.domains) {
    auto held = read_credential(files, next->warnings_);
    if (!held) return held.fault();
    next->add(*held);
  }
  next->exact_.reserve(source.held.size() * 2);
  for (const HeldCredentialPtr& held : source.held) next->add(held);
  next->asked_ = source.asked;
  next->withdrawn_keys_ = source.withdrawn_keys;
  auto trust = read_trust(source, next->trusted_);
  if (!trust) return trust.fault();
  next->trust_ = *trust;
  const auto note_origin = [&](const std::string& origin) {
    if (next->trust_origin_.find(origin) == std::string::npos) next->trust_origin_ += (next->trust_origin_.empty() ? "" : ", ") + origin;
  };
  for (const std::string& path : source.ca_paths) note_origin(path);
  for (const TrustedCertificate& entry : source.trusted) note_origin(entry.origin);
  return next;
}

void CredentialStore::take(CredentialSource source, std::shared_ptr<CredentialSnapshot> snapshot) {
  uncovered_.forget_covered(*snapshot);
  const std::lock_guard lock(mutex_);
  snapshot->revision_ = ++revision_;
  source_ = std::move(source);
  current_ = std::move(snapshot);
}

std::shared_ptr<const CredentialSnapshot> CredentialStore::snapshot() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

}  // namespace sallyport::tls
