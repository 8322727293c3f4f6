// SPDX-License-Identifier: Apache-2.0
#pragma once
// CertificatePart: domains, trust, ACME and certificate settings in a site document (SitePart): planned and written within the SiteStore's
// transaction, then read anew by vault and AcmeStore at once. Both must outlive it.

#include <memory>

#include "controlplane/certificates/acme_store.h"
#include "controlplane/certificates/certificate_plan.h"
#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/store/site_part.h"

namespace sallyport::certificates {

// failed: what was written could not be read back into service, with the reason.
std::shared_ptr<store::SitePart> make_certificate_part(CertificateVault& vault, AcmeStore& acme, Dependants dependants, std::function<void(const Fault&)> failed = {});

}  // namespace sallyport::certificates
