// SPDX-License-Identifier: Apache-2.0
#pragma once
// Pebble: the test authority of RFC 8555, as Debian has it, on free ports of 127.0.0.1, with its bad nonces on; and its challenge
// test server as name server, which answers every name with 127.0.0.1. Both end with the object.

#include <string>
#include <vector>

#include "tests/unit/acme/acme_fixture.h"
#include "tests/unit/acme/child_process.h"

namespace sallyport::acme_test {

struct PebbleOptions {
  unsigned refused_nonces_percent = 50;
  std::string name_server;            // "127.0.0.1:5353"; empty: its own challenge test server
  std::vector<std::pair<std::string, std::string>> external_accounts;  // key ID, base64url key; not empty: binding is required
  unsigned alternate_roots = 0;
  unsigned reused_authorizations_percent = 0;  // names that need not be proven again
};

class Pebble {
 public:
  // Empty: it can be started. Otherwise why a test has to be skipped.
  static std::string objection();

  explicit Pebble(AcmeTest& test, PebbleOptions options = {});
  // Runs once both answer.
  awaitable<bool> ready();
  Authority authority(const std::string& name = "pebble");
  uint16_t http_port() const { return http_port_; }
  uint16_t tls_port() const { return tls_port_; }
  std::string management_url() const { return "https://127.0.0.1:" + std::to_string(management_port_); }
  // Where its challenge test server is told of records.
  std::string challenge_url() const { return "http://127.0.0.1:" + std::to_string(challenge_port_); }
  std::string log() const { return pebble_.log(); }

 private:
  AcmeTest& test_;
  PebbleOptions options_;
  std::string folder_;
  uint16_t port_ = 0, management_port_ = 0, http_port_ = 0, tls_port_ = 0, name_port_ = 0, challenge_port_ = 0;
  ChildProcess pebble_, challenges_;
};

}  // namespace sallyport::acme_test
