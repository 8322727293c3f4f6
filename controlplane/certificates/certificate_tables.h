// SPDX-License-Identifier: Apache-2.0
#pragma once
// The certificate tables of the store, read and written. Call within a transaction; failures are thrown as SqliteFailure, which the
// vault turns into a Fault. What is sealed is bound to its place: a key cannot be put in the place of another.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controlplane/certificates/certificate_set.h"
#include "controlplane/store/node_key.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::certificates {

// Reads a certificate with its key when it is first needed.
using MakeHeld = std::function<tls::HeldCredentialPtr(std::int64_t id, const Slot& slot, tls::KeyFamily family, std::vector<std::string> names)>;

// `before` gives what it holds of certificates that did not change.
CertificateSet read_certificate_set(store::SqliteDatabase& database, const CertificateSet* before, const MakeHeld& make_held);

// Intermediates that are in use, by fingerprint: thousands of certificates hang on a few of them.
class SharedIntermediates {
 public:
  // What `make` makes, unless it is here already.
  CertificatePtr get(const std::string& fingerprint, const std::function<CertificatePtr()>& make);
  // Of these links: one for all who have the same.
  tls::IntermediateChain chain(const std::vector<CertificatePtr>& links);

 private:
  std::map<std::vector<const X509*>, std::weak_ptr<stack_st_X509>> chains_;  // whose links are alive as long as it is
  std::unordered_map<std::string, std::weak_ptr<X509>> known_;
};

struct StoredMaterial {
  Slot slot;
  std::vector<CertificatePtr> chain;  // leaf first
  KeyPtr key;
};
Outcome<StoredMaterial> read_material(store::SqliteDatabase& database, const store::NodeKey& node_key, std::int64_t id, SharedIntermediates& intermediates);
std::vector<CertificatePtr> read_chain(store::SqliteDatabase& database, std::int64_t id, SharedIntermediates& intermediates);
KeyPtr read_key(store::SqliteDatabase& database, const store::NodeKey& node_key, std::int64_t id);
KeyPtr read_request_key(store::SqliteDatabase& database, const store::NodeKey& node_key, const Slot& slot);  // null: no request

void write_certificate(store::SqliteDatabase& database, const store::NodeKey& node_key, const Slot& slot, const UploadVerdict& verdict, const std::string& origin, std::int64_t now_s);
void delete_certificate(store::SqliteDatabase& database, std::int64_t id);
void write_request(store::SqliteDatabase& database, const store::NodeKey& node_key, const StoredRequest& request, EVP_PKEY* key);
void delete_request(store::SqliteDatabase& database, const Slot& slot);
void write_domain(store::SqliteDatabase& database, const std::string& name);
void delete_domains(store::SqliteDatabase& database, const std::vector<std::string>& names);  // with certificates and requests
void write_trust(store::SqliteDatabase& database, TrustPurpose purpose, X509* certificate, const std::string& fingerprint, std::int64_t now_s);
void delete_trust(store::SqliteDatabase& database, TrustPurpose purpose, const std::string& fingerprint);
void write_setting(store::SqliteDatabase& database, const std::string& name, const std::string& value);

}  // namespace sallyport::certificates
