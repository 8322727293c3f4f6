// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/secret.h"

#include <openssl/crypto.h>

namespace sallyport::store {

Secret::Secret(std::string_view text) : text_(text) {}

// A short string is copied by std::string's move, so the source is wiped rather than left to its own devices.
Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  text_ = std::move(other.text_);
  other.wipe();
  return *this;
}

void Secret::wipe() {
  text_.resize(text_.capacity());  // a moved-from short string still has its bytes behind the size
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

}  // namespace sallyport::store
