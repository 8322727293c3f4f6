// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands `sallyport cert`, `sallyport domain` and `sallyport trust`. Passphrases come from a file or the terminal, never from
// the command line, where every user of the machine could read them.

#include "controlplane/cli/commands.h"

namespace sallyport::cli {

struct CertificateOptions {
  std::string slot, family, form;               // form: "", "pem", "decoded"
  std::string certificate_file, key_file, passphrase_file;
  std::string key_kind = "rsa-2048", digest = "sha256";
  std::string common_name, organization, unit, locality, state, country;
  std::vector<std::string> names;
  std::string sni, name, value, purpose, fingerprint;
  std::uint32_t port = 0;
  std::string url, ca_file, preferred_root, profile, external_key_id, external_key_file;
  std::vector<std::string> contacts;
};
CertificateOptions& certificate_options();

int run_certificates(const Options& options);
int run_certificate(const Options& options);
int run_upload(const Options& options);
int run_delete_certificate(const Options& options);
int run_explain(const Options& options);
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

}  // namespace sallyport::cli
