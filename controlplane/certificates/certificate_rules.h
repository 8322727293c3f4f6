// SPDX-License-Identifier: Apache-2.0
#pragma once
// What may be trusted, and how certificates may be judged, whoever wants it: a command or a site document. Pure, any thread.

#include <string>
#include <string_view>

#include "controlplane/certificates/certificate_set.h"

namespace sallyport::certificates {

// "mode": two, single; "duplicate_self_signed_cn": refuse, allow; "weak_keys": refuse, allow.
Outcome<> judge_certificate_setting(std::string_view name, std::string_view value);
// A05: what the platform's certificate needs in single-store mode.
Outcome<> judge_single_store(const CertificateSet& set, bool uses_unified_communications);
// Whether it may be trusted beside what `set` trusts for the purpose. `subject` names it in the Fault.
Outcome<> judge_trusted(const CertificateSet& set, TrustPurpose purpose, X509* certificate, const tls::PeerCertificate& said, const std::string& subject);

}  // namespace sallyport::certificates
