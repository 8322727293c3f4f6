// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_part.h"

#include <ctime>

#include "controlplane/certificates/acme_plan.h"
#include "controlplane/certificates/acme_tables.h"
#include "controlplane/certificates/certificate_tables.h"

namespace sallyport::certificates {
namespace {

class StoredCertificatePart final : public store::SitePart {
 public:
  StoredCertificatePart(CertificateVault& vault, AcmeStore& acme, Dependants dependants, std::function<void(const Fault&)> failed)
      : vault_(vault), acme_(acme), dependants_(std::move(dependants)), failed_(std::move(failed)) {}

  Write plan(const store::SitePartContext& context, store::SitePlan& plan) override {
    const PlanNotes notes{context, plan};
    auto certificates = std::make_shared<CertificatePlan>(notes, read(context.database), dependants_);
    const std::size_t before = plan.lines.size();
    certificates->run();
    auto acme = std::make_shared<AcmePlan>(notes, certificates->domains());
    acme->run();
    if (plan.lines.size() == before) return {};
    return [certificates, acme, &database = context.database] {
      forget_orphaned_slots(database);
      certificates->write(std::time(nullptr));
      acme->write();
    };
  }

  void write_document(store::SqliteDatabase& database, std::string& document) override { document += CertificatePlan::document(read(database)) + AcmePlan::document(database); }

  // The vault tells who serves certificates, and both read one state of the database: what ACME keeps is taken last, so that its domains exist.
  void take() override {
    if (const auto taken = vault_.refresh(); !taken && failed_) failed_(taken.fault());
    if (const auto taken = acme_.reload(); !taken && failed_) failed_(taken.fault());
  }

 private:
  // What the vault knows already is not read again; a certificate that it does not know yet is only looked at.
  CertificateSet read(store::SqliteDatabase& database) const {
    const auto known = vault_.snapshot();
    return read_certificate_set(database, known.get(), [](std::int64_t, const Slot& slot, tls::KeyFamily family, std::vector<std::string> names) {
      return std::make_shared<const tls::HeldCredential>(slot.text(), family, std::move(names), slot.domain, []() -> Outcome<std::shared_ptr<const tls::Credential>> {
        return Fault{FaultCode::internal, "certificate", "is not served from here", "ask the vault"};
      });
    });
  }

  CertificateVault& vault_;
  AcmeStore& acme_;
  const Dependants dependants_;
  const std::function<void(const Fault&)> failed_;
};

}  // namespace

std::shared_ptr<store::SitePart> make_certificate_part(CertificateVault& vault, AcmeStore& acme, Dependants dependants, std::function<void(const Fault&)> failed) {
  return std::make_shared<StoredCertificatePart>(vault, acme, std::move(dependants), std::move(failed));
}

}  // namespace sallyport::certificates
