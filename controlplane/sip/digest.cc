// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/digest.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

struct AlgorithmRow {
  std::string_view text;
  const char* digest;
};
constexpr std::array<AlgorithmRow, 3> algorithms = {
    {{"MD5", "MD5"}, {"SHA-256", "SHA256"}, {"SHA-512-256", "SHA512-256"}}};

// hex(H(parts joined by ':')), what RFC 7616 writes as H(unq(a) ":" unq(b) ...).
std::string hash_joined(DigestAlgorithm algorithm, std::initializer_list<std::string_view> parts) {
  EVP_MD* md = EVP_MD_fetch(nullptr, algorithms[static_cast<std::size_t>(algorithm)].digest, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::uint8_t sum[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  bool good = md != nullptr && context != nullptr && EVP_DigestInit_ex2(context, md, nullptr) == 1;
  bool is_first = true;
  for (const std::string_view part : parts) {
    if (!is_first) good = good && EVP_DigestUpdate(context, ":", 1) == 1;
    good = good && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
    is_first = false;
  }
  good = good && EVP_DigestFinal_ex(context, sum, &length) == 1;
  EVP_MD_CTX_free(context);
  EVP_MD_free(md);
  // An OpenSSL without these hashes cannot run the traversal zone at all; a wrong hash must never pass for a right one.
  if (!good) std::abort();
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex.append({digits[sum[i] >> 4], digits[sum[i] & 15]});
  return hex;
}

// auth-params after the scheme, one by one: name = token | quoted-string, separated by commas.
class AuthParams {
 public:
  explicit AuthParams(std::string_view text) : rest_(text) {}
  bool next(std::string_view& name, std::string& value);
  bool failed() const { return failed_; }

 private:
  bool fail() {
    failed_ = true;
    return false;
  }
  std::string_view rest_;
  bool failed_ = false;
};

bool AuthParams::next(std::string_view& name, std::string& value) {
  while (!rest_.empty() && (is_lws(rest_.front()) || rest_.front() == ',')) rest_.remove_prefix(1);
  if (rest_.empty()) return false;
  const std::size_t equals = rest_.find('=');
  if (equals == std::string_view::npos) return fail();
  name = trim(rest_.substr(0, equals));
  if (!is_token(name)) return fail();
  rest_ = rest_.substr(equals + 1);
  while (!rest_.empty() && is_lws(rest_.front())) rest_.remove_prefix(1);
  std::size_t end = rest_.find(',');
  if (!rest_.empty() && rest_.front() == '"') {
    end = skip_quoted(rest_, 0);
    if (end == std::string_view::npos) return fail();
  }
  const std::string_view text = trim(rest_.substr(0, end));
  if (text.empty()) return fail();
  value = unquote(text);
  rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end);
  return true;
}

// The parameters behind "Digest"; a view without data for another scheme.
std::string_view behind_scheme(std::string_view value) {
  value = trim(value);
  constexpr std::string_view scheme = "Digest";
  if (value.size() <= scheme.size() || !equals_ignoring_case(value.substr(0, scheme.size()), scheme)) return {};
  return is_lws(value[scheme.size()]) ? value.substr(scheme.size()) : std::string_view();
}

bool lists_auth(std::string_view options) {
  while (!options.empty()) {
    const std::size_t comma = options.find(',');
    if (equals_ignoring_case(trim(options.substr(0, comma)), "auth")) return true;
    options = comma == std::string_view::npos ? std::string_view() : options.substr(comma + 1);
  }
  return false;
}

std::string count_text(std::uint32_t nonce_count) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", nonce_count);
  return text;
}

// nc-value = 8LHEX
std::optional<std::uint32_t> parse_count(std::string_view text) {
  if (text.size() != 8) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text) {
    const char l = lower(c);
    if (!((c >= '0' && c <= '9') || (l >= 'a' && l <= 'f'))) return std::nullopt;
    value = value << 4 | static_cast<std::uint32_t>(l >= 'a' ? l - 'a' + 10 : l - '0');
  }
  return value;
}

}  // namespace

std::string_view digest_algorithm_text(DigestAlgorithm algorithm) {
  return algorithms[static_cast<std::size_t>(algorithm)].text;
}

std::optional<DigestAlgorithm> digest_algorithm(std::string_view text) {
  for (std::size_t i = 0; i < algorithms.size(); ++i) {
    if (equals_ignoring_case(algorithms[i].text, text)) return static_cast<DigestAlgorithm>(i);
  }
  return std::nullopt;
}

std::optional<DigestChallenge> parse_challenge(std::string_view value) {
  DigestChallenge challenge;
  AuthParams rest(behind_scheme(value));
  bool has_qop = false;
  std::string_view name;
  for (std::string text; rest.next(name, text);) {
    if (equals_ignoring_case(name, "realm")) challenge.realm = text;
    if (equals_ignoring_case(name, "nonce")) challenge.nonce = text;
    if (equals_ignoring_case(name, "opaque")) challenge.opaque = text;
    if (equals_ignoring_case(name, "stale")) challenge.is_stale = equals_ignoring_case(text, "true");
    if (equals_ignoring_case(name, "qop")) {
      has_qop = true;
      challenge.offers_auth = lists_auth(text);
    }
    if (equals_ignoring_case(name, "algorithm")) {
      const auto algorithm = digest_algorithm(text);
      if (!algorithm) return std::nullopt;
      challenge.algorithm = *algorithm;
    }
  }
  if (rest.failed() || challenge.nonce.empty() || challenge.realm.empty()) return std::nullopt;
  if (has_qop && !challenge.offers_auth) return std::nullopt;  // auth-int only
  return challenge;
}

std::string format_challenge(const DigestChallenge& challenge) {
  std::string text = "Digest realm=" + quote(challenge.realm) + ", nonce=" + quote(challenge.nonce);
  if (!challenge.opaque.empty()) text += ", opaque=" + quote(challenge.opaque);
  text.append(", algorithm=").append(digest_algorithm_text(challenge.algorithm));
  if (challenge.offers_auth) text += ", qop=\"auth\"";
  if (challenge.is_stale) text += ", stale=true";
  return text;
}

std::optional<DigestCredentials> parse_credentials(std::string_view value) {
  DigestCredentials credentials;
  AuthParams rest(behind_scheme(value));
  std::string qop, count;
  std::string_view name;
  for (std::string text; rest.next(name, text);) {
    if (equals_ignoring_case(name, "username")) credentials.username = text;
    if (equals_ignoring_case(name, "realm")) credentials.realm = text;
    if (equals_ignoring_case(name, "nonce")) credentials.nonce = text;
    if (equals_ignoring_case(name, "uri")) credentials.uri = text;
    if (equals_ignoring_case(name, "response")) credentials.response = text;
    if (equals_ignoring_case(name, "opaque")) credentials.opaque = text;
    if (equals_ignoring_case(name, "cnonce")) credentials.cnonce = text;
    if (equals_ignoring_case(name, "qop")) qop = text;
    if (equals_ignoring_case(name, "nc")) count = text;
    if (equals_ignoring_case(name, "algorithm")) {
      const auto algorithm = digest_algorithm(text);
      if (!algorithm) return std::nullopt;
      credentials.algorithm = *algorithm;
    }
  }
  if (rest.failed() || credentials.username.empty() || credentials.nonce.empty() || credentials.response.empty()) {
    return std::nullopt;
  }
  if (qop.empty()) return credentials;
  const auto nonce_count = parse_count(count);
  if (!equals_ignoring_case(qop, "auth") || !nonce_count || *nonce_count == 0 || credentials.cnonce.empty()) {
    return std::nullopt;
  }
  credentials.has_qop_auth = true;
  credentials.nonce_count = *nonce_count;
  return credentials;
}

std::string format_credentials(const DigestCredentials& credentials) {
  std::string text = "Digest username=" + quote(credentials.username) + ", realm=" + quote(credentials.realm) +
                     ", nonce=" + quote(credentials.nonce) + ", uri=" + quote(credentials.uri) +
                     ", response=" + quote(credentials.response);
  text.append(", algorithm=").append(digest_algorithm_text(credentials.algorithm));
  if (!credentials.opaque.empty()) text += ", opaque=" + quote(credentials.opaque);
  if (credentials.has_qop_auth) {
    text += ", cnonce=" + quote(credentials.cnonce) + ", qop=auth, nc=" + count_text(credentials.nonce_count);
  }
  return text;
}

std::optional<DigestIdentity> peek_identity(std::string_view value) {
  const std::string_view params = behind_scheme(value);
  if (params.data() == nullptr) return std::nullopt;
  DigestIdentity identity;
  AuthParams rest(params);
  std::string_view name;
  for (std::string text; rest.next(name, text);) {
    if (equals_ignoring_case(name, "username")) identity.username = text;
    if (equals_ignoring_case(name, "realm")) identity.realm = text;
  }
  if (rest.failed()) return std::nullopt;
  return identity;
}

std::string digest_ha1(DigestAlgorithm algorithm, std::string_view username, std::string_view realm,
                       std::string_view password) {
  return hash_joined(algorithm, {username, realm, password});
}

std::string digest_response(const DigestCredentials& credentials, std::string_view ha1, std::string_view method) {
  const DigestAlgorithm algorithm = credentials.algorithm;
  const std::string ha2 = hash_joined(algorithm, {method, credentials.uri});
  if (!credentials.has_qop_auth) return hash_joined(algorithm, {ha1, credentials.nonce, ha2});
  return hash_joined(algorithm,
                     {ha1, credentials.nonce, count_text(credentials.nonce_count), credentials.cnonce, "auth", ha2});
}

DigestCredentials answer_challenge(const DigestChallenge& challenge, std::string_view username,
                                   std::string_view password, std::string_view method, std::string_view uri,
                                   std::string_view cnonce, std::uint32_t nonce_count) {
  DigestCredentials credentials;
  credentials.username = username;
  credentials.realm = challenge.realm;
  credentials.nonce = challenge.nonce;
  credentials.opaque = challenge.opaque;
  credentials.algorithm = challenge.algorithm;
  credentials.uri = uri;
  credentials.has_qop_auth = challenge.offers_auth;
  if (challenge.offers_auth) {
    credentials.cnonce = cnonce;
    credentials.nonce_count = nonce_count;
  }
  const std::string ha1 = digest_ha1(challenge.algorithm, username, challenge.realm, password);
  credentials.response = digest_response(credentials, ha1, method);
  return credentials;
}

bool is_response_right(const DigestCredentials& credentials, std::string_view ha1, std::string_view method) {
  const std::string expected = digest_response(credentials, ha1, method);
  return expected.size() == credentials.response.size() &&
         CRYPTO_memcmp(expected.data(), credentials.response.data(), expected.size()) == 0;
}

}  // namespace sallyport::sip
