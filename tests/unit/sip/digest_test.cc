// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/digest.h"

#include <string>

#include <gtest/gtest.h>

#include "controlplane/sip/nonce.h"

namespace sallyport::sip {
namespace {

struct Vector {
  const char* source;
  DigestAlgorithm algorithm;
  const char *username, *realm, *password, *nonce, *uri, *cnonce, *response;
};

// All with method GET, nc=00000001, qop=auth. RFC 7616 3.9.2 prints a response made with another hash (its errata); the
// one here was computed from the same input by a second implementation, Python's hashlib.
constexpr Vector vectors[] = {
    {"RFC 2617 3.5", DigestAlgorithm::md5, "Mufasa", "testrealm@host.com", "Circle Of Life",
     "dcd98b7102dd2f0e8b11d0f600bfb0c093", "/dir/index.html", "0a4f113b", "6629fae49393a05397450978507c4ef1"},
    {"RFC 7616 3.9.1", DigestAlgorithm::md5, "Mufasa", "http-auth@example.org", "Circle of Life",
     "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
     "8ca523f5e9506fed4657c9700eebdbec"},
    {"RFC 7616 3.9.1", DigestAlgorithm::sha256, "Mufasa", "http-auth@example.org", "Circle of Life",
     "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
     "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
    {"input of RFC 7616 3.9.2", DigestAlgorithm::sha512_256, "J\xc3\xa4s\xc3\xb8n Doe", "api@example.org",
     "Secret, or not?", "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "/doe.json", "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm",
     "7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c"},
};

TEST(Digest, ResponsesMatchTheVectors) {
  for (const Vector& row : vectors) {
    DigestChallenge challenge;
    challenge.realm = row.realm;
    challenge.nonce = row.nonce;
    challenge.algorithm = row.algorithm;
    challenge.offers_auth = true;
    const auto answer = answer_challenge(challenge, row.username, row.password, "GET", row.uri, row.cnonce);
    EXPECT_EQ(answer.response, row.response) << row.source;
    const std::string ha1 = digest_ha1(row.algorithm, row.username, row.realm, row.password);
    EXPECT_TRUE(is_response_right(answer, ha1, "GET"));
    EXPECT_FALSE(is_response_right(answer, ha1, "PUT"));
    EXPECT_FALSE(is_response_right(answer, digest_ha1(row.algorithm, row.username, row.realm, "wrong"), "GET"));
  }
}

// RFC 2617 3.2.2.1 without qop: the example of RFC 2069 as corrected by its errata.
TEST(Digest, ChallengeWithoutQopIsAnsweredInTheOldForm) {
  const auto challenge =
      parse_challenge("Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"");
  ASSERT_TRUE(challenge);
  EXPECT_FALSE(challenge->offers_auth);
  const auto answer = answer_challenge(*challenge, "Mufasa", "CircleOfLife", "GET", "/dir/index.html", "unused");
  EXPECT_EQ(answer.response, "1949323746fe6a43ef61f9606e7febea");
  EXPECT_EQ(format_credentials(answer).find("cnonce"), std::string::npos);
}

TEST(Digest, FormattedFieldsParseBackUnchanged) {
  DigestChallenge challenge;
  challenge.realm = "zone \"one\", with \\ comma";
  challenge.nonce = "abc==";
  challenge.opaque = "xyz";
  challenge.algorithm = DigestAlgorithm::sha256;
  challenge.offers_auth = challenge.is_stale = true;
  const auto parsed = parse_challenge(format_challenge(challenge));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->realm, challenge.realm);
  EXPECT_EQ(parsed->nonce, challenge.nonce);
  EXPECT_EQ(parsed->opaque, challenge.opaque);
  EXPECT_EQ(parsed->algorithm, DigestAlgorithm::sha256);
  EXPECT_TRUE(parsed->offers_auth);
  EXPECT_TRUE(parsed->is_stale);
  const auto answer = answer_challenge(*parsed, "exampleauth", "secret", "OPTIONS", "sip:edge.example.com", "cn", 18);
  const auto credentials = parse_credentials(format_credentials(answer));
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->username, "exampleauth");
  EXPECT_EQ(credentials->realm, challenge.realm);
  EXPECT_EQ(credentials->uri, "sip:edge.example.com");
  EXPECT_EQ(credentials->nonce_count, 18u);
  EXPECT_TRUE(is_response_right(
      *credentials, digest_ha1(DigestAlgorithm::sha256, "exampleauth", challenge.realm, "secret"), "OPTIONS"));
}

TEST(Digest, ChallengesThatCannotBeAnsweredAreTurnedDown) {
  for (const char* text : {"", "Digest", "Digest ", "Basic realm=\"x\"", "NoOneKnows opaque=1", "Digest realm=\"x\"",
                           "Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256-sess",
                           "Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"", "Digest realm=\"x, nonce=\"y\"",
                           "Digest realm=\"x\" nonce", "Digestrealm=x, nonce=y", "Digest realm=\"x\", nonce="}) {
    EXPECT_FALSE(parse_challenge(text)) << text;
  }
  EXPECT_TRUE(parse_challenge("digest REALM=\"x\" , Nonce=\"y\",qop=\"auth-int, auth\",algorithm=md5"));
}

TEST(Digest, CredentialsWithoutCountOrCnonceAreTurnedDown) {
  const std::string base = "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"0\"";
  EXPECT_TRUE(parse_credentials(base));
  EXPECT_TRUE(parse_credentials(base + ", qop=auth, nc=0000000a, cnonce=\"c\""));
  for (const char* tail : {", qop=auth", ", qop=auth, nc=00000001", ", qop=auth, nc=1, cnonce=\"c\"",
                           ", qop=auth, nc=00000000, cnonce=\"c\"", ", qop=auth, nc=0000000g, cnonce=\"c\"",
                           ", qop=auth-int, nc=00000001, cnonce=\"c\"", ", algorithm=SHA3"}) {
    EXPECT_FALSE(parse_credentials(base + tail)) << tail;
  }
}

TEST(Digest, PassingCredentialsShowWhoTheyAreFor) {
  const auto identity = peek_identity("Digest username=\"bob\", algorithm=AKAv1-MD5, realm=\"example.com\"");
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->username, "bob");
  EXPECT_EQ(identity->realm, "example.com");
  EXPECT_FALSE(peek_identity("Bearer abc"));
}

constexpr std::array<std::uint8_t, 32> secret = {1, 2, 3};
using Use = Nonces::Verdict;

TEST(Nonces, CountMustNotRepeatWithinTheWindow) {
  Nonces nonces(secret, 1000, 4);
  const std::string nonce = nonces.issue(5000);
  EXPECT_EQ(nonces.accept(nonce, 1, 5000), Use::fresh);
  EXPECT_EQ(nonces.accept(nonce, 1, 5001), Use::replayed);
  EXPECT_EQ(nonces.accept(nonce, 5, 5001), Use::fresh);
  EXPECT_EQ(nonces.accept(nonce, 3, 5001), Use::fresh);  // a late one of another connection
  EXPECT_EQ(nonces.accept(nonce, 3, 5001), Use::replayed);
  EXPECT_EQ(nonces.accept(nonce, 100, 5001), Use::fresh);
  EXPECT_EQ(nonces.accept(nonce, 36, 5001), Use::replayed);  // too far behind to be told
  EXPECT_EQ(nonces.accept(nonce, 37, 5001), Use::fresh);
}

TEST(Nonces, NonceWithoutCountServesOnce) {
  Nonces nonces(secret, 1000, 4);
  const std::string nonce = nonces.issue(5000);
  EXPECT_EQ(nonces.accept(nonce, 0, 5000), Use::fresh);
  EXPECT_EQ(nonces.accept(nonce, 0, 5000), Use::replayed);
}

TEST(Nonces, OldForeignAndAlteredNoncesAreStale) {
  Nonces nonces(secret, 1000, 4);
  std::string nonce = nonces.issue(5000);
  EXPECT_EQ(nonces.check(nonce, 6000), Use::fresh);
  EXPECT_EQ(nonces.check(nonce, 6001), Use::stale);
  EXPECT_EQ(nonces.check(nonce, 4999), Use::stale);
  EXPECT_EQ(nonces.check("", 5000), Use::stale);
  EXPECT_EQ(Nonces({9}, 1000, 4).check(nonce, 5000), Use::stale);
  nonce[3] = nonce[3] == 'A' ? 'B' : 'A';
  EXPECT_EQ(nonces.check(nonce, 5000), Use::stale);
}

TEST(Nonces, ForgettingTheOldestNeverAdmitsItsReplay) {
  Nonces nonces(secret, 1'000'000, 2);
  const std::string first = nonces.issue(1000);
  EXPECT_EQ(nonces.accept(first, 1, 1000), Use::fresh);
  for (std::uint64_t now = 2000; now < 6000; now += 1000) {
    EXPECT_EQ(nonces.accept(nonces.issue(now), 1, now), Use::fresh);
  }
  EXPECT_EQ(nonces.accept(first, 1, 7000), Use::stale);
}

}  // namespace
}  // namespace sallyport::sip
