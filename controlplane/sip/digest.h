// SPDX-License-Identifier: Apache-2.0
#pragma once
// Digest access authentication (RFC 7616, 8760; RFC 2617 for peers without qop): parse challenges and credentials,
// compute and check responses for MD5, SHA-256 and SHA-512-256 with qop=auth or none. Used on the traversal zone only;
// elsewhere these headers pass untouched. Values are owned strings with quotes undone: this is a rare path. Pure
// functions, any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::sip {

enum class DigestAlgorithm : std::uint8_t { md5, sha256, sha512_256 };
std::string_view digest_algorithm_text(DigestAlgorithm algorithm);       // "SHA-256"
std::optional<DigestAlgorithm> digest_algorithm(std::string_view text);  // case-insensitive

struct DigestChallenge {
  std::string realm, nonce, opaque;
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
  bool offers_auth = false;  // qop contains auth; false: RFC 2069 form
  bool is_stale = false;
};
// Value of WWW-/Proxy-Authenticate; nullopt for another scheme, an unknown algorithm, -sess, or qop without auth.
std::optional<DigestChallenge> parse_challenge(std::string_view value);
std::string format_challenge(const DigestChallenge& challenge);

struct DigestCredentials {
  std::string username, realm, nonce, uri, response, opaque, cnonce;
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
  std::uint32_t nonce_count = 0;
  bool has_qop_auth = false;
};
std::optional<DigestCredentials> parse_credentials(std::string_view value);
std::string format_credentials(const DigestCredentials& credentials);
// The same from the header as it passes by: username and realm only, for policing; nullopt if it is not Digest.
struct DigestIdentity {
  std::string username, realm;
};
std::optional<DigestIdentity> peek_identity(std::string_view value);

// hex(H(user:realm:password)): what a credential store keeps per algorithm.
std::string digest_ha1(DigestAlgorithm algorithm, std::string_view username, std::string_view realm,
                       std::string_view password);
// The response value for credentials whose other fields are filled in.
std::string digest_response(const DigestCredentials& credentials, std::string_view ha1, std::string_view method);
// Fills in and answers a challenge; `cnonce` is the caller's random text.
DigestCredentials answer_challenge(const DigestChallenge& challenge, std::string_view username,
                                   std::string_view password, std::string_view method, std::string_view uri,
                                   std::string_view cnonce, std::uint32_t nonce_count = 1);
// Constant-time.
bool is_response_right(const DigestCredentials& credentials, std::string_view ha1, std::string_view method);

}  // namespace sallyport::sip
