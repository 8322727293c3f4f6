// SPDX-License-Identifier: Apache-2.0
#pragma once
// TSIG (RFC 8945): signs a DNS message with a key shared with the server, and judges the signature of the answer: key, algorithm,
// time and MAC, the whole MAC and in constant time. HMAC-SHA-256 or HMAC-SHA-512. Pure; any thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/acme/dns_message.h"
#include "controlplane/store/secret.h"

namespace sallyport::acme {

enum class TsigAlgorithm : uint8_t { hmac_sha256, hmac_sha512 };

struct TsigKey {
  std::string name;
  TsigAlgorithm algorithm = TsigAlgorithm::hmac_sha256;
  std::shared_ptr<const store::Secret> secret;  // base64, as in the server's configuration
};

struct SignedMessage {
  std::string wire, mac;
};

Outcome<SignedMessage> sign_message(std::string wire, const TsigKey& key, int64_t now_s);
// Empty: the answer is signed by the key and for this request. Otherwise why not.
std::string signature_objection(std::string_view wire, const DnsMessage& answer, const TsigKey& key, std::string_view request_mac, int64_t now_s);
// What the server says of the request's signature, in words an operator can act on; empty: nothing.
std::string signature_complaint(const DnsMessage& answer);

}  // namespace sallyport::acme
