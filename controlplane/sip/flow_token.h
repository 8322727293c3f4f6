// SPDX-License-Identifier: Apache-2.0
#pragma once
// FlowTokens: names a flow (a client's connection) in Path, Record-Route and Contact so that nobody outside can forge
// or alter one (RFC 5626 5.2). base64url(generation ‖ flow id, 64 bit big-endian ‖ HMAC-SHA256 truncated to 80 bits):
// 26 characters. Two key generations verify, the current one signs, so neither a restart nor a key rotation orphans a
// flow. One thread per instance.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::sip {

struct FlowKey {
  std::uint8_t generation = 0;
  std::array<std::uint8_t, 32> secret{};
};

class FlowTokens {
 public:
  static constexpr std::size_t token_chars = 26;

  // `purpose` separates kinds of tokens made with one key ("path", "record-route").
  FlowTokens(std::string_view purpose, const FlowKey& current, const FlowKey* previous = nullptr);
  ~FlowTokens();
  FlowTokens(FlowTokens&&) noexcept;
  FlowTokens& operator=(FlowTokens&&) noexcept;

  void encode(std::uint64_t flow_id, std::string& out) const;  // appends
  std::string encode(std::uint64_t flow_id) const;
  // nullopt: not a token of ours. Constant-time comparison.
  std::optional<std::uint64_t> verify(std::string_view token) const;

 private:
  struct Signer;
  std::unique_ptr<Signer> current_, previous_;
};

}  // namespace sallyport::sip
