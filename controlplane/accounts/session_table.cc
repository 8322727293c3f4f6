// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/session_table.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <ctime>

namespace sallyport::accounts {
namespace {

constexpr std::size_t token_bytes = 32, id_bytes = 6;

std::string hex(const unsigned char* bytes, std::size_t count) {
  std::string text;
  for (std::size_t at = 0; at < count; ++at) text += {"0123456789abcdef"[bytes[at] >> 4], "0123456789abcdef"[bytes[at] & 15]};
  return text;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string digest_of(std::string_view token) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(bytes_of(token), token.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace

SessionTable::SessionTable(SessionLimits limits, Clock clock) : limits_(limits), clock_(std::move(clock)) {
  if (!clock_) clock_ = [] { return std::chrono::steady_clock::now(); };
  RAND_bytes(csrf_key_.data(), static_cast<int>(csrf_key_.size()));
}

SessionTable::~SessionTable() { OPENSSL_cleanse(csrf_key_.data(), csrf_key_.size()); }

bool SessionTable::is_over(const Session& session) const {
  const auto now = clock_();
  return now - session.used >= limits_.idle || now - session.opened >= limits_.lifetime;
}

void SessionTable::sweep() { close_if([this](const Session& session) { return is_over(session); }); }

Outcome<std::string> SessionTable::open(std::int64_t account_id, std::int64_t account_revision, const std::string& account, const std::string& source) {
  sweep();
  std::vector<std::shared_ptr<const Session>> own;
  for (const auto& [digest, session] : sessions_)
    if (session->account_id == account_id) own.push_back(session);
  if (own.size() >= limits_.of_an_account) {
    const auto oldest = std::min_element(own.begin(), own.end(), [](const auto& a, const auto& b) { return a->used < b->used; });
    const std::string id = (*oldest)->id;
    close(id);
  }
  if (sessions_.size() >= limits_.sessions) return Fault{FaultCode::exhausted, "session", "there are too many at this moment", "end one, or try again later"};
  std::array<unsigned char, token_bytes> token{};
  std::array<unsigned char, id_bytes> id{};
  if (RAND_bytes(token.data(), token_bytes) != 1 || RAND_bytes(id.data(), id_bytes) != 1) return Fault{FaultCode::internal, "session", "the machine gives no random numbers", "look at its log"};
  auto session = std::make_shared<Session>();
  session->id = hex(id.data(), id.size());
  session->account_id = account_id;
  session->account_revision = account_revision;
  session->account = account;
  session->source = source;
  session->opened_s = std::time(nullptr);
  session->opened = session->used = session->filled = clock_();
  session->tokens = limits_.burst;
  std::string text = hex(token.data(), token.size());
  OPENSSL_cleanse(token.data(), token.size());
  sessions_[digest_of(text)] = std::move(session);
  return text;
}

std::shared_ptr<Session> SessionTable::find(std::string_view token) {
  if (token.size() != 2 * token_bytes) return nullptr;
  const auto found = sessions_.find(digest_of(token));
  if (found == sessions_.end()) return nullptr;
  if (is_over(*found->second)) {
    sessions_.erase(found);
    return nullptr;
  }
  found->second->used = clock_();
  return found->second;
}

bool SessionTable::may_ask(Session& session) {
  const auto now = clock_();
  session.tokens = std::min(limits_.burst, session.tokens + std::chrono::duration<double>(now - session.filled).count() * limits_.requests_per_s);
  session.filled = now;
  if (session.tokens < 1) return false;
  session.tokens -= 1;
  return true;
}

std::string SessionTable::csrf_token(std::string_view token) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  HMAC(EVP_sha256(), csrf_key_.data(), static_cast<int>(csrf_key_.size()), bytes_of(token), token.size(), mac.data(), &length);
  return hex(mac.data(), length);
}

bool SessionTable::is_csrf_token(std::string_view token, std::string_view presented) const {
  const std::string expected = csrf_token(token);
  return presented.size() == expected.size() && CRYPTO_memcmp(presented.data(), expected.data(), expected.size()) == 0;
}

void SessionTable::renew(std::string_view id, std::int64_t account_revision) {
  for (const auto& [digest, session] : sessions_)
    if (session->id == id) session->account_revision = account_revision;
}

bool SessionTable::close(std::string_view id) {
  return std::erase_if(sessions_, [&](const auto& entry) { return entry.second->id == id; }) != 0;
}

void SessionTable::close_if(const std::function<bool(const Session&)>& ends) {
  std::erase_if(sessions_, [&](const auto& entry) { return ends(*entry.second); });
}

std::vector<std::shared_ptr<const Session>> SessionTable::list() {
  sweep();
  std::vector<std::shared_ptr<const Session>> all;
  for (const auto& [digest, session] : sessions_) all.push_back(session);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->opened > b->opened; });
  return all;
}

}  // namespace sallyport::accounts
