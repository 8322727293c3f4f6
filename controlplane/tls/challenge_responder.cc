// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/challenge_responder.h"

#include <utility>

namespace sallyport::tls {
namespace {

std::string lower(std::string_view name) {
  std::string result(name);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return result;
}

}  // namespace

void ChallengeResponder::present(const std::string& name, Answer answer) {
  const std::lock_guard lock(mutex_);
  answers_[lower(name)] = std::move(answer);
}

void ChallengeResponder::withdraw(const std::string& name) {
  const std::lock_guard lock(mutex_);
  answers_.erase(lower(name));
}

std::optional<ChallengeResponder::Answer> ChallengeResponder::find(std::string_view sni) const {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(lower(sni));
  return found == answers_.end() ? std::nullopt : std::optional<Answer>(found->second);
}

}  // namespace sallyport::tls
