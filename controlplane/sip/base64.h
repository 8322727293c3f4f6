// SPDX-License-Identifier: Apache-2.0
#pragma once
// Base64 (RFC 4648): standard alphabet for keys, URL-safe without padding for tokens and nonces. Bounded, no allocation
// but the result.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::sip {

enum class Base64 : std::uint8_t { standard, url };

// Appends; standard pads, url does not.
void encode_base64(Base64 alphabet, std::span<const std::uint8_t> bytes, std::string& out);
// Decodes into `out`; nullopt on a foreign character, wrong padding, non-zero spare bits or lack of room. Padding is
// optional. Returns bytes written.
std::optional<std::size_t> decode_base64(Base64 alphabet, std::string_view text, std::span<std::uint8_t> out);

}  // namespace sallyport::sip
