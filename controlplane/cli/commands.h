// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands of `sallyport`: each asks the control plane once and prints. Exit codes are part of the interface and do not change.

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/cli/api_client.h"

namespace sallyport::cli {

enum ExitCode : int {
  exit_done = 0,
  exit_negative = 1,     // the answer is no: a test failed, a document or a configuration was refused
  exit_usage = 2,        // the command line is wrong
  exit_unreachable = 3,  // the control plane does not run or does not answer
  exit_error = 4,        // the control plane answered with an error, or a file could not be read
};

// Of cert, domain, trust and acme.
struct CertificateOptions {
  std::string slot, family, form;  // form: "", "pem", "decoded"
  std::string certificate_file, key_file, passphrase_file;
  std::string key_kind = "rsa-2048", digest = "sha256";
  std::string common_name, organization, unit, locality, state, country;
  std::vector<std::string> names;
  std::string sni, name, value, purpose, fingerprint;
  std::uint32_t port = 0;
  std::vector<std::uint16_t> ports{5061, 8443};
  std::string url, ca_file, preferred_root, profile, external_key_id, external_key_file;
  std::vector<std::string> contacts;
  bool agrees_to_terms = false;
};

// Of backup and restore.
struct BackupOptions {
  std::string file, passphrase_file, state_dir;
};

// Of pair and join.
struct PairOptions {
  std::string zone, host, token, id, node, password_file;
  std::uint32_t seconds = 600;
};

// Of onboarding.
struct OnboardingOptions {
  std::string device;
  std::uint32_t hours = 168;
};

// Of account and audit.
struct AccountOptions {
  std::string name, role, password_file, session;
  std::string actor, path, since, until, outcome;
  std::uint64_t before = 0;
};

struct Options {
  ApiEndpoint endpoint;
  bool json = false;
  std::string argument;  // FILE, ID, ZONE, SECTION
  bool dry_run = false, yes = false, follow = false, all = false, active = false, markdown = false, once = false;
  std::uint32_t lines = 100;
  std::uint32_t limit = 1000;
  std::string file;  // of capture
  bool decrypted = false;
  std::uint32_t seconds = 60;
  std::uint64_t packets = 0;  // 0: as many as come
  std::uint32_t interval_s = 2;
  CertificateOptions certificate;
  BackupOptions backup;
  OnboardingOptions onboarding;
  PairOptions pair;
  AccountOptions account;
};

int run_status(const Options& options);
int run_zones(const Options& options);
int run_registrations(const Options& options);
int run_calls(const Options& options);
int run_call(const Options& options);
int run_capture(const Options& options);
int run_flows(const Options& options);
int run_counters(const Options& options);
int run_history(const Options& options);
int run_traversal_test(const Options& options);
int run_discovery_test(const Options& options);
int run_apply(const Options& options);
int run_export(const Options& options);
int run_logs(const Options& options);
int run_upgrade(const Options& options);
int run_backup(const Options& options);
int run_restore(const Options& options);  // needs no control plane: fills an empty state_dir
int run_check_config(const Options& options);  // needs no control plane
int run_keys(const Options& options);          // likewise

}  // namespace sallyport::cli
