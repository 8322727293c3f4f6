// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands `sallyport cert`, `sallyport domain`, `sallyport trust` and `sallyport acme`.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

int run_certificates(const Options& options);
int run_certificate(const Options& options);
int run_upload(const Options& options);
int run_delete_certificate(const Options& options);
int run_explain(const Options& options);
int run_check_certificate(const Options& options);
int run_refusals(const Options& options);
int run_requests(const Options& options);
int run_request(const Options& options);
int run_discard(const Options& options);
int run_certificate_settings(const Options& options);
int run_acme(const Options& options);
int run_acme_authority(const Options& options);
int run_delete_acme_authority(const Options& options);
int run_acme_setting(const Options& options);
int run_acme_on(const Options& options);
int run_acme_off(const Options& options);
int run_acme_renew(const Options& options);
int run_acme_rekey(const Options& options);
int run_domains(const Options& options);
int run_add_domain(const Options& options);
int run_delete_domain(const Options& options);
int run_trust(const Options& options);
int run_add_trust(const Options& options);
int run_remove_trust(const Options& options);
int run_probe_trust(const Options& options);

}  // namespace sallyport::cli
