// SPDX-License-Identifier: Apache-2.0
#pragma once
// JWS in the flattened form that ACME sends (RFC 7515 7.2.2, RFC 8555 6.2): signed by an account key, or by the HMAC of an external
// account (RFC 8555 7.3.4); and the digests around it. Pure functions; any thread.

#include <optional>
#include <string>
#include <string_view>

#include "controlplane/acme/account_key.h"
#include "dataplane/abi/fault.h"

namespace sallyport::acme {

std::string base64url(std::string_view bytes);  // RFC 4648 5, without padding
std::optional<std::string> decode_base64url(std::string_view text);
std::string sha256(std::string_view bytes);  // 32 octets
std::string json_string(std::string_view text);  // quoted and escaped

// What the protected header says beside the algorithm.
struct JwsHeader {
  std::string url;
  std::string nonce;        // empty: none
  std::string account_url;  // "kid"; empty: the key itself stands there as "jwk"
};

// payload: JSON, or empty for a POST-as-GET.
Outcome<std::string> sign_jws(const AccountKey& key, const JwsHeader& header, std::string_view payload);

// Binds the account key to an account that the authority knows already; hmac_key_text is base64url, as authorities hand it out.
Outcome<std::string> bind_external_account(const AccountKey& key, const std::string& new_account_url, const std::string& key_id, std::string_view hmac_key_text);

// token.thumbprint (RFC 8555 8.1).
std::string key_authorization(std::string_view token, const AccountKey& key);

}  // namespace sallyport::acme
