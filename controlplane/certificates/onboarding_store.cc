// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/onboarding_store.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <mutex>
#include <optional>

#include "controlplane/certificates/open_store.h"
#include "controlplane/store/node_key.h"
#include "controlplane/store/published.h"
#include "controlplane/store/site_tables.h"
#include "controlplane/store/sqlite_database.h"
#include "controlplane/tls/certificate_names.h"

namespace sallyport::certificates {
namespace {

using store::guarded;
using store::NodeKey;
using store::SqliteDatabase;
using store::SqliteFailure;
using store::SqliteStatement;
using store::SqliteTransaction;
using store::taken;

constexpr std::string_view authority_purpose = "onboarding authority key";
constexpr std::size_t code_digits = 16, salt_bytes = 16;

void draw(void* bytes, std::size_t size) {
  if (RAND_bytes(static_cast<unsigned char*>(bytes), static_cast<int>(size)) != 1) throw SqliteFailure{{FaultCode::internal, "activation code", "no random numbers are to be had", "check the system's OpenSSL configuration"}};
}

std::string drawn_digits() {
  constexpr std::uint64_t codes = 10'000'000'000'000'000, highest = UINT64_MAX - UINT64_MAX % codes;
  std::uint64_t number = 0;
  do draw(&number, sizeof number);  // every code is as likely as any other
  while (number >= highest);
  std::string digits(code_digits, '0');
  for (std::size_t at = code_digits; at-- > 0; number /= 10) digits[at] = static_cast<char>('0' + number % 10);
  return digits;
}

// As people type it: with or without the hyphens. Empty: it cannot be a code.
std::string digits_of(const std::string& code) {
  std::string digits;
  for (const char c : code) {
    if (c >= '0' && c <= '9') digits += c;
    else if (c != '-' && c != ' ') return {};
  }
  return digits.size() == code_digits ? digits : std::string();
}

std::string digest_of(const std::string& salt, const std::string& digits) {
  const std::string text = salt + digits;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return std::string(reinterpret_cast<const char*>(digest), sizeof digest);
}

Fault code_refused(const std::string& device) {
  return {FaultCode::refused, "phone " + device.substr(0, 64), "has no such activation code: it was used, is over, was withdrawn after too many tries, or never was", "make a new one on C: sallyport onboarding code " + device.substr(0, 64)};
}

class SqliteOnboardingStore final : public OnboardingStore {
 public:
  SqliteOnboardingStore(const std::string& path, NodeKey key, std::string fqdn) : database_(path), key_(std::move(key)), fqdn_(std::move(fqdn)) {}

  Outcome<> start() {
    return guarded([&]() -> Outcome<> {
      published_.publish(read());
      return Done{};
    });
  }

  std::shared_ptr<const OnboardingSet> snapshot() const override { return published_.get(); }
  void set_listener(Listener listener) override { published_.set_listener(std::move(listener)); }

  Outcome<> ensure_authority(std::int64_t now_s, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (authority()) return Done{};
      const IssuingAuthority made = taken(make_issuing_authority("onboarding", fqdn_, now_s));
      const std::string sealed = taken(key_.seal(authority_purpose, der_of(made.key.get()).reveal()));
      database_.prepare("INSERT INTO onboarding_authority (id, certificate, sealed_key) VALUES (1, ?, ?)").bind_blob(1, der_of(made.certificate.get())).bind_blob(2, sealed).run();
      store::write_history(database_, {"make the onboarding authority, serial " + tls::describe_certificate(made.certificate.get()).serial}, actor);
      OnboardingSet set = read();
      transaction.commit();
      published_.publish(std::move(set));
      return Done{};
    });
  }

  Outcome<std::string> add_code(const std::string& device, std::int64_t now_s, std::int64_t life_s, const std::string& actor) override {
    return change([&]() -> Outcome<std::string> {
      if (const std::string objection = device_name_objection(device); !objection.empty()) return Fault{FaultCode::invalid, "phone \"" + device.substr(0, 64) + "\"", objection, "name it as call control does, such as SEP001122334455"};
      if (life_s < 1 || life_s > max_code_life_s) return Fault{FaultCode::invalid, "activation code", "cannot be valid for " + std::to_string(life_s) + " seconds", "give 1 second to 90 days"};
      SqliteTransaction transaction(database_);
      database_.prepare("DELETE FROM activation_code WHERE expires_s <= ?").bind(1, now_s).run();
      database_.prepare("DELETE FROM activation_code WHERE device = ?").bind(1, device).run();
      if (count("SELECT count(*) FROM activation_code") >= max_activation_codes) return Fault{FaultCode::exhausted, "activation codes", "there are 10,000 that were not used", "withdraw some (sallyport onboarding withdraw PHONE), or wait until they are over"};
      const std::string digits = drawn_digits();
      std::string salt(salt_bytes, '\0');
      draw(salt.data(), salt.size());
      SqliteStatement row = database_.prepare("INSERT INTO activation_code (device, salt, code_sha256, made_s, expires_s, failures) VALUES (?, ?, ?, ?, ?, 0)");
      row.bind(1, device).bind_blob(2, salt).bind_blob(3, digest_of(salt, digits)).bind(4, now_s).bind(5, now_s + life_s).run();
      store::write_history(database_, {"make an activation code for " + device}, actor);
      transaction.commit();
      return digits.substr(0, 4) + "-" + digits.substr(4, 4) + "-" + digits.substr(8, 4) + "-" + digits.substr(12);
    });
  }

  Outcome<> withdraw(const std::string& device, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      SqliteStatement known = database_.prepare("SELECT (SELECT count(*) FROM activation_code WHERE device = ?1) + (SELECT count(*) FROM onboarded_certificate WHERE device = ?1 AND withdrawn = 0)");
      known.bind(1, device);
      if (!known.step() || known.integer(0) == 0) return Fault{FaultCode::missing, "phone " + device.substr(0, 64), "has neither an activation code nor a certificate", "see sallyport onboarding"};
      known.reset();
      database_.prepare("DELETE FROM activation_code WHERE device = ?").bind(1, device).run();
      database_.prepare("UPDATE onboarded_certificate SET withdrawn = 1 WHERE device = ?").bind(1, device).run();
      store::write_history(database_, {"withdraw activation code and certificates of " + device}, actor);
      transaction.commit();
      return Done{};
    });
  }

  Outcome<CertificatePtr> enrol(const DeviceEnrolment& wish, const std::string& code) override {
    return change([&]() -> Outcome<CertificatePtr> {
      SqliteTransaction transaction(database_);
      const std::string digits = digits_of(code);
      SqliteStatement row = database_.prepare("SELECT salt, code_sha256, failures FROM activation_code WHERE device = ? AND expires_s > ?");
      row.bind(1, wish.device).bind(2, wish.now_s);
      if (!row.step()) return code_refused(wish.device);
      const std::string kept = row.blob(1), shown = digest_of(row.blob(0), digits);
      const auto failures = static_cast<std::uint32_t>(row.integer(2));
      row.reset();
      if (digits.empty() || kept.size() != shown.size() || CRYPTO_memcmp(kept.data(), shown.data(), kept.size()) != 0) {
        note_failure(wish, failures + 1);
        transaction.commit();
        return code_refused(wish.device);
      }
      forget_what_is_over(wish.now_s);
      if (count("SELECT count(DISTINCT device) FROM onboarded_certificate") >= max_onboarded_devices) return Fault{FaultCode::exhausted, "phone " + wish.device, "cannot be onboarded: 100,000 are", "let certificates of phones that are gone run out"};
      const CertificatePtr certificate = issue_to(wish, wish.now_s);
      database_.prepare("DELETE FROM activation_code WHERE device = ?").bind(1, wish.device).run();
      store::write_history(database_, {"onboard " + wish.device + ", serial " + tls::describe_certificate(certificate.get()).serial}, "activation code, from " + wish.source);
      transaction.commit();
      return certificate;
    });
  }

  Outcome<CertificatePtr> renew(const DeviceEnrolment& wish, X509* shown) override {
    return change([&]() -> Outcome<CertificatePtr> {
      SqliteTransaction transaction(database_);
      const auto kept = authority();
      const tls::PeerCertificate said = tls::describe_certificate(shown);
      const Fault refused{FaultCode::refused, "certificate " + said.serial.substr(0, 64), "was not given here, is over, or was withdrawn", "onboard the phone anew: sallyport onboarding code"};
      const bool is_ours = kept && X509_verify(shown, kept->key.get()) == 1 && X509_NAME_cmp(X509_get_issuer_name(shown), X509_get_subject_name(kept->certificate.get())) == 0;
      ERR_clear_error();
      if (!is_ours || said.not_after_s <= wish.now_s) return refused;
      SqliteStatement row = database_.prepare("SELECT device, first_s FROM onboarded_certificate WHERE serial = ? AND withdrawn = 0");
      row.bind(1, said.serial);
      if (!row.step()) return refused;
      DeviceEnrolment named = wish;
      named.device = row.text(0);
      const std::int64_t first_s = row.integer(1);
      row.reset();
      forget_what_is_over(wish.now_s);
      const CertificatePtr certificate = issue_to(named, first_s);
      store::write_history(database_, {"renew the certificate of " + named.device + ", serial " + tls::describe_certificate(certificate.get()).serial}, "certificate " + said.serial + ", from " + wish.source);
      transaction.commit();
      return certificate;
    });
  }

  Outcome<std::vector<ActivationCode>> codes(std::size_t limit) override {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<std::vector<ActivationCode>> {
      std::vector<ActivationCode> list;
      SqliteStatement rows = database_.prepare("SELECT device, made_s, expires_s, failures FROM activation_code WHERE expires_s > ? ORDER BY device LIMIT ?");
      rows.bind(1, static_cast<std::int64_t>(std::time(nullptr))).bind(2, static_cast<std::int64_t>(limit));
      while (rows.step()) list.push_back({rows.text(0), rows.integer(1), rows.integer(2), static_cast<std::uint32_t>(rows.integer(3))});
      return list;
    });
  }

  Outcome<std::vector<OnboardedDevice>> devices(std::size_t limit) override {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<std::vector<OnboardedDevice>> {
      std::vector<OnboardedDevice> list;
      // SQLite takes the bare columns from the row of the greatest number.
      SqliteStatement rows = database_.prepare("SELECT device, serial, first_s, issued_s, not_after_s, withdrawn, max(number) FROM onboarded_certificate GROUP BY device ORDER BY device LIMIT ?");
      rows.bind(1, static_cast<std::int64_t>(limit));
      while (rows.step()) list.push_back({rows.text(0), rows.text(1), rows.integer(2), rows.integer(3), rows.integer(4), rows.integer(5) != 0});
      return list;
    });
  }

 private:
  std::size_t count(const char* sql) {
    SqliteStatement row = database_.prepare(sql);
    return row.step() ? static_cast<std::size_t>(row.integer(0)) : 0;
  }

  void forget_what_is_over(std::int64_t now_s) { database_.prepare("DELETE FROM onboarded_certificate WHERE not_after_s <= ?").bind(1, now_s).run(); }

  void note_failure(const DeviceEnrolment& wish, std::uint32_t failures) {
    if (failures < max_code_failures) {
      database_.prepare("UPDATE activation_code SET failures = ? WHERE device = ?").bind(1, std::int64_t{failures}).bind(2, wish.device).run();
      return;
    }
    database_.prepare("DELETE FROM activation_code WHERE device = ?").bind(1, wish.device).run();
    store::write_history(database_, {"withdraw the activation code of " + wish.device + " after " + std::to_string(failures) + " wrong ones"}, "last from " + wish.source);
  }

  std::optional<IssuingAuthority> authority() {
    SqliteStatement row = database_.prepare("SELECT certificate, sealed_key FROM onboarding_authority WHERE id = 1");
    if (!row.step()) return std::nullopt;
    const store::Secret der = taken(key_.open(authority_purpose, row.blob(1)));
    return IssuingAuthority{taken(certificate_from_der(row.blob(0), "onboarding authority")), taken(key_from_der(der.reveal(), "onboarding authority"))};
  }

  CertificatePtr issue_to(const DeviceEnrolment& wish, std::int64_t first_s) {
    const auto kept = authority();
    if (!kept) throw SqliteFailure{{FaultCode::refused, "onboarding", "was never switched on here", "switch it on on C: sallyport onboarding on"}};
    SqliteStatement held = database_.prepare("SELECT count(*) FROM onboarded_certificate WHERE device = ? AND withdrawn = 0");
    held.bind(1, wish.device);
    if (held.step() && static_cast<std::size_t>(held.integer(0)) >= max_device_certificates) {
      throw SqliteFailure{{FaultCode::exhausted, "phone " + wish.device, "was given 8 certificates that are valid still", "find out why it asks so often; or withdraw them and onboard it anew: sallyport onboarding withdraw " + wish.device}};
    }
    held.reset();
    const CertificatePtr certificate = taken(issue(*kept, wish.key.get(), {IssuedFor::client, {wish.device}, wish.now_s, wish.lifetime_s}));
    SqliteStatement row = database_.prepare("INSERT INTO onboarded_certificate (serial, device, first_s, issued_s, not_after_s, withdrawn) VALUES (?, ?, ?, ?, ?, 0)");
    row.bind(1, tls::describe_certificate(certificate.get()).serial).bind(2, wish.device).bind(3, first_s).bind(4, wish.now_s).bind(5, wish.now_s + wish.lifetime_s).run();
    return certificate;
  }

  OnboardingSet read() {
    OnboardingSet set;
    SqliteStatement row = database_.prepare("SELECT certificate FROM onboarding_authority WHERE id = 1");
    if (row.step()) set.authority = taken(certificate_from_der(row.blob(0), "onboarding authority"));
    return set;
  }

  template <class Work>
  auto change(Work work) -> decltype(work()) {
    return published_.change(mutex_, std::move(work));
  }

  std::mutex mutex_;
  SqliteDatabase database_;
  NodeKey key_;
  const std::string fqdn_;
  store::Published<OnboardingSet> published_;
};

}  // namespace

std::string device_name_objection(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > 64) return "is longer than 64 characters";
  const bool is_fine = std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; });
  return is_fine ? "" : "holds a character that is no letter, digit, '-', '_' or '.'";
}

Outcome<std::unique_ptr<OnboardingStore>> OnboardingStore::open(const std::string& state_dir, const std::string& node_fqdn) { return open_store<OnboardingStore, SqliteOnboardingStore>(state_dir, node_fqdn); }

}  // namespace sallyport::certificates
