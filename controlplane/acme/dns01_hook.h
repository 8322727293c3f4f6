// SPDX-License-Identifier: Apache-2.0
#pragma once
// Dns01Hook: proves a name by DNS through a program of the operator's, for providers without RFC 2136. It is run as
//   PROGRAM present|cleanup _acme-challenge.NAME VALUE
// without a shell, with a bare environment, as this process's user; exit status 0 is success, and after "present" the record must be
// visible. Against a deadline: then it and what it started are killed. What it printed stands in the Fault. On the engine's thread.

#include <chrono>
#include <string>

#include "controlplane/acme/challenge.h"

namespace sallyport::acme {

struct Dns01HookOptions {
  std::string program;  // absolute path
  std::chrono::milliseconds deadline{120000};
  std::chrono::milliseconds settle{0};  // waited after "present", for providers that are slow to publish
};

class Dns01Hook final : public Solver {
 public:
  explicit Dns01Hook(Dns01HookOptions options) : options_(std::move(options)) {}
  ChallengeKind kind() const override { return ChallengeKind::dns01; }
  boost::asio::awaitable<Outcome<>> present(ChallengeTask task) override;
  boost::asio::awaitable<Outcome<>> cleanup(ChallengeTask task) override;

 private:
  Dns01HookOptions options_;
};

// RFC 8555 8.4: the record's name, and its text.
std::string challenge_record_name(const std::string& domain);
std::string challenge_record_text(const std::string& key_authorization);

}  // namespace sallyport::acme
