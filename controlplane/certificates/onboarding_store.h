// SPDX-License-Identifier: Apache-2.0
#pragma once
// OnboardingStore: what C keeps for activation-code onboarding (B37), in the node's store: the authority that vouches for phones, made when
// onboarding is switched on, activation codes that were not used yet, and which phone was given which certificate. As PairStore: one
// transaction a change, a history line; any thread. Of a code only a salted SHA-256 is kept, the authority's key is sealed.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/certificates/issuing_authority.h"

namespace sallyport::certificates {

inline constexpr std::size_t max_activation_codes = 10'000;  // unused at a time
inline constexpr std::size_t max_onboarded_devices = 100'000;
inline constexpr std::size_t max_device_certificates = 8;  // valid ones of a phone
inline constexpr std::uint32_t max_code_failures = 10;     // then the code is withdrawn: 10^16 codes, ten guesses
inline constexpr std::int64_t default_code_life_s = 7 * 86400, max_code_life_s = 90 * 86400;

// What call control names a phone by: 1 to 64 letters, digits, '-', '_' and '.', as in SEP001122334455. Empty: it is fine.
std::string device_name_objection(std::string_view name);

struct OnboardingSet {
  CertificatePtr authority;  // null until onboarding was switched on for the first time
};

struct ActivationCode {
  std::string device;
  std::int64_t made_s = 0, expires_s = 0;
  std::uint32_t failures = 0;
};

// With the newest certificate it was given.
struct OnboardedDevice {
  std::string device, serial;
  std::int64_t first_s = 0, issued_s = 0, not_after_s = 0;
  bool is_withdrawn = false;
};

struct DeviceEnrolment {
  std::string device;
  KeyPtr key;  // public
  std::int64_t now_s = 0;
  std::uint32_t lifetime_s = 0;
  std::string source;  // who asked: "198.51.100.7:50000"
};

class OnboardingStore {
 public:
  using Listener = std::function<void()>;

  // After the SiteStore, which makes the tables.
  static Outcome<std::unique_ptr<OnboardingStore>> open(const std::string& state_dir, const std::string& node_fqdn);
  virtual ~OnboardingStore() = default;

  virtual std::shared_ptr<const OnboardingSet> snapshot() const = 0;
  virtual void set_listener(Listener listener) = 0;  // of changes of the snapshot

  // Makes the authority if there is none.
  virtual Outcome<> ensure_authority(std::int64_t now_s, const std::string& actor) = 0;
  // 16 digits in groups of four; it takes the place of one that the phone has.
  virtual Outcome<std::string> add_code(const std::string& device, std::int64_t now_s, std::int64_t life_s, const std::string& actor) = 0;
  // Its code is not taken any more, its certificates are not renewed. A new code lets it in again.
  virtual Outcome<> withdraw(const std::string& device, const std::string& actor) = 0;

  // Uses the code up and issues, or neither. One Fault for every reason to refuse a code.
  virtual Outcome<CertificatePtr> enrol(const DeviceEnrolment& wish, const std::string& code) = 0;
  // For who shows a certificate that this authority gave and that is valid; of whom is in it.
  virtual Outcome<CertificatePtr> renew(const DeviceEnrolment& wish, X509* shown) = 0;

  virtual Outcome<std::vector<ActivationCode>> codes(std::size_t limit) = 0;     // of those that are not over
  virtual Outcome<std::vector<OnboardedDevice>> devices(std::size_t limit) = 0;  // by name
};

}  // namespace sallyport::certificates
