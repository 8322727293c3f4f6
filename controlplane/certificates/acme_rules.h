// SPDX-License-Identifier: Apache-2.0
#pragma once
// What authorities and settings of ACME may be (C28 to C30), whoever wants them: a command or a site document. Pure, any thread.

#include <string>

#include "controlplane/certificates/acme_store.h"

namespace sallyport::certificates {

Outcome<> judge_acme_authority(const AcmeAuthority& authority, bool has_hmac_key);
Outcome<> judge_acme_challenge(config::Role role, const std::string& challenge);
Outcome<> judge_acme_setting(config::Role role, const std::string& name, const std::string& value);

}  // namespace sallyport::certificates
