// SPDX-License-Identifier: Apache-2.0
#pragma once
// judge_upload(): whether a certificate may go into a slot (requirements A05 to A08, C12 to C32): its key, chain, validity, usage and
// names, and what became of the request it answers. Pure; any thread.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/certificates/intake.h"
#include "controlplane/certificates/request.h"
#include "controlplane/certificates/slot.h"

namespace sallyport::certificates {

enum class StoreMode : std::uint8_t { two_store, single_store };  // A05
const char* name_of(StoreMode mode);                              // "two", "single"

struct Upload {
  std::string_view certificate;  // PEM
  std::string_view key;          // PEM; empty: it stands with the certificate, or is that of the request or of what is replaced
  const store::Secret* passphrase = nullptr;
  std::string file = "certificate";  // names it in faults
  KeyPtr own_key;                    // made on this node for just this certificate, as by ACME; then `key` is not looked at
};

struct UploadContext {
  Slot slot;
  StoreMode mode = StoreMode::two_store;
  bool uses_unified_communications = false;  // a UC traversal zone exists
  std::string node_fqdn;
  std::optional<RequestFacts> request;  // open for this slot
  KeyPtr request_key;
  std::vector<KeyPtr> present_keys;     // of what the slot holds: a renewal may keep the key
  // Whose public key this is (SHA-256), among other slots and requests: "the request for domain/example.com"; empty: nobody's.
  // Asked only when the certificate fits nothing of this slot.
  std::function<std::string(const std::string& key_digest)> owner_of;
  std::vector<CertificatePtr> authorities;  // trusted for anything: where a chain may end
  bool allow_weak_keys = false;
  std::int64_t now_s = 0;
};

struct UploadVerdict {
  std::vector<CertificatePtr> chain;  // leaf first
  KeyPtr key;
  tls::KeyFamily family = tls::KeyFamily::rsa;
  tls::PeerCertificate description;   // of the leaf
  std::vector<std::string> warnings;  // taken all the same
  bool is_complete = false;
  bool answers_request = false;
};

Outcome<UploadVerdict> judge_upload(const Upload& upload, const UploadContext& context);

}  // namespace sallyport::certificates
