// SPDX-License-Identifier: Apache-2.0
// Account keys and signatures, with the vectors of RFC 7515 and RFC 7638.
#include "controlplane/acme/jws.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <boost/json.hpp>

namespace sallyport::acme {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;

BIGNUM* number(std::string_view text) {
  const std::string bytes = decode_base64url(text).value();
  return BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr);
}

Key key_of(const char* type, OSSL_PARAM_BLD* builder, int selection) {
  OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context);
  EVP_PKEY_fromdata(context, &key, selection, parameters);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  return Key(key, &EVP_PKEY_free);
}

Key rsa_public_key(std::string_view n, std::string_view e) {
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  BIGNUM *modulus = number(n), *exponent = number(e);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
  Key key = key_of("RSA", builder, EVP_PKEY_PUBLIC_KEY);
  BN_free(modulus);
  BN_free(exponent);
  return key;
}

Key p256_key(std::string_view x, std::string_view y, std::string_view d) {
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  const std::string point = "\x04" + decode_base64url(x).value() + decode_base64url(y).value();
  BIGNUM* secret = number(d);
  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret);
  Key key = key_of("EC", builder, EVP_PKEY_KEYPAIR);
  BN_free(secret);
  return key;
}

bool verifies_raw(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  std::string der(signature);
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    ECDSA_SIG* parts = ECDSA_SIG_new();
    const auto* bytes = reinterpret_cast<const unsigned char*>(signature.data());
    ECDSA_SIG_set0(parts, BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
    unsigned char* out = nullptr;
    const int length = i2d_ECDSA_SIG(parts, &out);
    der.assign(reinterpret_cast<const char*>(out), static_cast<size_t>(length));
    OPENSSL_free(out);
    ECDSA_SIG_free(parts);
  }
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool fine = EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(der.data()), der.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  EVP_MD_CTX_free(context);
  return fine;
}

constexpr std::string_view es256_x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", es256_y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", es256_d = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

struct Parts {
  std::string head, payload, text, signature;
};
Parts take_apart(const std::string& jws) {
  const boost::json::object object = boost::json::parse(jws).as_object();
  EXPECT_EQ(object.size(), 3u);
  const auto text = [&](const char* name) { return std::string(object.at(name).as_string().c_str()); };
  return {decode_base64url(text("protected")).value(), decode_base64url(text("payload")).value(), text("protected") + "." + text("payload"), decode_base64url(text("signature")).value()};
}

TEST(AccountKey, ThumbprintIsThatOfRfc7638) {
  const auto key = AccountKey::from(rsa_public_key(
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
      "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
      "AQAB"));
  ASSERT_TRUE(key) << key.fault().text();
  EXPECT_EQ(key->thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  EXPECT_STREQ(key->algorithm_name(), "RS256");
  EXPECT_FALSE(key->sign("x")) << "a key without its private part signed";
}

TEST(AccountKey, JwkOfP256HoldsFullCoordinates) {
  const auto key = AccountKey::from(p256_key(es256_x, es256_y, es256_d));
  ASSERT_TRUE(key) << key.fault().text();
  EXPECT_EQ(key->jwk(), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" + std::string(es256_x) + "\",\"y\":\"" + std::string(es256_y) + "\"}");
  EXPECT_EQ(key_authorization("token", *key), "token." + key->thumbprint());
}

TEST(AccountKey, SignatureOfRfc7515A3VerifiesAndSoDoesOurs) {
  const Key key = p256_key(es256_x, es256_y, es256_d);
  const std::string text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  EXPECT_TRUE(verifies_raw(key.get(), text, decode_base64url("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q").value()));
  const auto account = AccountKey::from(key);
  ASSERT_TRUE(account);
  // Often enough that r or s is short once in a while: they keep their 32 octets.
  for (int i = 0; i < 600; ++i) {
    const auto signature = account->sign(text);
    ASSERT_TRUE(signature);
    ASSERT_EQ(signature->size(), 64u);
    ASSERT_TRUE(verifies_raw(key.get(), text, *signature));
  }
}

TEST(AccountKey, KeysThatNoAuthorityTakesAreRefused) {
  EXPECT_FALSE(AccountKey::from(nullptr));
  EXPECT_FALSE(AccountKey::from(Key(EVP_EC_gen("P-384"), &EVP_PKEY_free)));
  EXPECT_FALSE(AccountKey::from(Key(EVP_RSA_gen(1024), &EVP_PKEY_free)));
  const auto bad = AccountKey::from(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.fault().text(), "ACME account key: is neither RSA nor on the curve P-256; use a P-256 key, or an RSA key of 2048 to 8192 bits");
}

TEST(Jws, ProtectedHeaderHoldsNonceUrlAndKeyOrAccount) {
  for (const AccountAlgorithm algorithm : {AccountAlgorithm::es256, AccountAlgorithm::rs256}) {
    const auto key = AccountKey::generate(algorithm);
    ASSERT_TRUE(key);
    JwsHeader header;
    header.url = "https://ca.example/new";
    header.nonce = "n1";
    const auto first = sign_jws(*key, header, "{\"a\":1}");
    ASSERT_TRUE(first);
    const Parts parts = take_apart(*first);
    EXPECT_EQ(parts.head, "{\"alg\":\"" + std::string(key->algorithm_name()) + "\",\"jwk\":" + key->jwk() + ",\"nonce\":\"n1\",\"url\":\"https://ca.example/new\"}");
    EXPECT_EQ(parts.payload, "{\"a\":1}");
    EXPECT_TRUE(verifies_raw(key->key().get(), parts.text, parts.signature));
    header.account_url = "https://ca.example/acct/1";
    const auto later = sign_jws(*key, header, "");
    ASSERT_TRUE(later);
    EXPECT_EQ(take_apart(*later).head, "{\"alg\":\"" + std::string(key->algorithm_name()) + "\",\"kid\":\"https://ca.example/acct/1\",\"nonce\":\"n1\",\"url\":\"https://ca.example/new\"}");
    EXPECT_EQ(take_apart(*later).payload, "");
  }
}

TEST(Jws, ExternalAccountIsBoundByHmacOverTheKey) {
  const auto key = AccountKey::generate();
  ASSERT_TRUE(key);
  const std::string secret_text = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
  const auto binding = bind_external_account(*key, "https://ca.example/new", "kid \"1\"", secret_text);
  ASSERT_TRUE(binding);
  const Parts parts = take_apart(*binding);
  EXPECT_EQ(parts.head, R"({"alg":"HS256","kid":"kid \"1\"","url":"https://ca.example/new"})");
  EXPECT_EQ(parts.payload, key->jwk());
  const std::string secret = decode_base64url(secret_text).value();
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(parts.text.data()), parts.text.size(), mac, &length);
  EXPECT_EQ(parts.signature, std::string(reinterpret_cast<char*>(mac), length));
  EXPECT_FALSE(bind_external_account(*key, "https://ca.example/new", "1", "not base64!"));
  EXPECT_FALSE(bind_external_account(*key, "https://ca.example/new", "1", ""));
}

TEST(Jws, Base64UrlIsThatOfRfc4648) {
  const std::vector<std::pair<std::string, std::string>> rows = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"\xfb\xff", "-_8"}};
  for (const auto& [bytes, text] : rows) {
    EXPECT_EQ(base64url(bytes), text);
    EXPECT_EQ(decode_base64url(text), bytes);
  }
  EXPECT_EQ(decode_base64url("a b"), std::nullopt);
}

}  // namespace
}  // namespace sallyport::acme
