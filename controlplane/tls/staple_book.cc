// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/staple_book.h"

#include <ctime>

#include "controlplane/tls/certificate_names.h"

namespace sallyport::tls {

StapleBook::StapleBook(Clock clock) : clock_(clock ? std::move(clock) : [] { return static_cast<int64_t>(std::time(nullptr)); }) {}

size_t StapleBook::leaf_of(const std::string& fingerprint) { return std::hash<std::string>{}(fingerprint) % leaves; }

void StapleBook::change(const std::string& fingerprint, StaplePtr staple) {
  const std::lock_guard lock(mutex_);
  auto& place = leaves_[leaf_of(fingerprint)];
  const auto before = place.load();
  auto after = before == nullptr ? std::make_shared<Leaf>() : std::make_shared<Leaf>(*before);
  if (staple == nullptr) after->erase(fingerprint);
  else (*after)[fingerprint] = std::move(staple);
  place.store(std::move(after));
}

void StapleBook::put(const std::string& fingerprint, StaplePtr staple) { change(fingerprint, std::move(staple)); }

void StapleBook::remove(const std::string& fingerprint) { change(fingerprint, nullptr); }

StaplePtr StapleBook::find(const std::string& fingerprint) const {
  const auto leaf = leaves_[leaf_of(fingerprint)].load();
  if (leaf == nullptr) return nullptr;
  const auto found = leaf->find(fingerprint);
  return found == leaf->end() || found->second->next_update_s <= clock_() ? nullptr : found->second;
}

StaplePtr StapleBook::serve(X509* certificate) {
  StaplePtr staple = certificate == nullptr ? nullptr : find(fingerprint_of(certificate));
  (staple == nullptr ? missing_ : sent_).fetch_add(1, std::memory_order_relaxed);
  return staple;
}

size_t StapleBook::fresh() const {
  const int64_t now_s = clock_();
  size_t count = 0;
  for (const auto& place : leaves_) {
    const auto leaf = place.load();
    if (leaf == nullptr) continue;
    for (const auto& [fingerprint, staple] : *leaf) count += staple->next_update_s > now_s;
  }
  return count;
}

}  // namespace sallyport::tls
