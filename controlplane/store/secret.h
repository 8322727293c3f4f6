// SPDX-License-Identifier: Apache-2.0
#pragma once
// Secret: a password in memory. Move-only, wiped when it goes, never printable by accident: reveal() is the one way to its text.
// One owner, any thread; a moved-from Secret is empty.

#include <string>
#include <string_view>

namespace sallyport::store {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text);
  ~Secret() { wipe(); }
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view reveal() const { return text_; }
  bool is_empty() const { return text_.empty(); }

 private:
  void wipe();
  std::string text_;
};

}  // namespace sallyport::store
