// SPDX-License-Identifier: Apache-2.0
// What phones and strangers send to the port of onboarding, and what they are told.

#include "controlplane/onboarding/est_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include <ctime>

#include "controlplane/certificates/issuing_authority.h"
#include "controlplane/certificates/request.h"

namespace sallyport::onboarding::test {
namespace {

using testing::HasSubstr;

std::string request_body() {
  certificates::RequestWish wish;
  wish.subject.common_name = "SEP001122334455";
  const auto key = certificates::make_key(certificates::KeyKind::ecdsa_p256);
  const auto pem = certificates::make_request(wish, key->get());
  EXPECT_TRUE(pem) << pem.fault().text();
  return *pem;
}

http::HttpMessage message(std::string method, std::string target, std::vector<std::pair<std::string, std::string>> fields = {}, std::string body = {}) {
  http::HttpMessage made;
  made.method = std::move(method);
  made.target = std::move(target);
  made.fields = std::move(fields);
  made.body = std::move(body);
  return made;
}

const std::pair<std::string, std::string> pkcs10{"content-type", "application/pkcs10"}, login{"authorization", "Basic U0VQMDAxMTIyMzM0NDU1OjAxMjMtNDU2Nw=="};

TEST(EstMessage, B37_AnEnrolmentIsAPhoneItsCodeAndARequest) {
  const std::string pem = request_body();
  const EstVerdict verdict = read_est_request(message("POST", "/.well-known/est/simpleenroll", {pkcs10, login}, pem));
  ASSERT_TRUE(verdict.request) << verdict.refusal.fault.text();
  EXPECT_EQ(verdict.request->operation, EstOperation::enrol);
  EXPECT_EQ(verdict.request->device, "SEP001122334455");
  EXPECT_EQ(verdict.request->code, "0123-4567");
  EXPECT_TRUE(certificates::requested_key(verdict.request->request_pem, "phone"));
  // As RFC 7030 has it: base64 of DER, in lines or in one.
  std::string bare = pem.substr(pem.find('\n') + 1);
  bare.resize(bare.find("-----END"));
  const EstVerdict as_standard = read_est_request(message("POST", "/.well-known/est/simpleenroll", {pkcs10, login}, bare));
  ASSERT_TRUE(as_standard.request) << as_standard.refusal.fault.text();
  EXPECT_EQ(as_standard.request->request_pem, verdict.request->request_pem);
}

TEST(EstMessage, ARenewalNeedsNoCodeAndTheAuthoritiesNothing) {
  EXPECT_EQ(read_est_request(message("POST", "/.well-known/est/simplereenroll", {pkcs10}, request_body())).request->operation, EstOperation::renew);
  EXPECT_EQ(read_est_request(message("GET", "/.well-known/est/cacerts")).request->operation, EstOperation::authorities);
}

TEST(EstMessage, EverythingElseIsRefusedWithItsStatus) {
  const std::string pem = request_body(), enrol = "/.well-known/est/simpleenroll";
  const struct {
    http::HttpMessage asked;
    unsigned status;
    const char* cause;
  } cases[] = {
      {message("GET", "/"), 404, "a path that is not served here"},
      {message("GET", "/.well-known/est/cacerts/"), 404, "a path that is not served here"},
      {message("GET", "/.well-known/est/../../v1/status"), 404, "a path that is not served here"},
      {message("GET", "/v1/status"), 404, "a path that is not served here"},
      {message("POST", "/.well-known/est/cacerts"), 405, "a method"},
      {message("GET", enrol, {login}), 405, "a method"},
      {message("POST", enrol, {pkcs10}, pem), 401, "no activation code"},
      {message("POST", enrol, {pkcs10, {"authorization", "Bearer abc"}}, pem), 401, "not HTTP Basic"},
      {message("POST", enrol, {pkcs10, {"authorization", "Basic !!!!"}}, pem), 401, "not HTTP Basic"},
      {message("POST", enrol, {pkcs10, {"authorization", "Basic bm9jb2xvbg=="}}, pem), 401, "not HTTP Basic"},
      {message("POST", enrol, {pkcs10, {"authorization", "Basic Og=="}}, pem), 401, "not HTTP Basic"},
      {message("POST", enrol, {pkcs10, {"authorization", "Basic YSBiOmM="}}, pem), 400, "holds a character"},  // "a b:c"
      {message("POST", enrol, {pkcs10, {"authorization", "Basic YQBiOmM="}}, pem), 400, "holds a character"},  // a NUL in it
      {message("POST", enrol, {login}, pem), 415, "application/pkcs10"},
      {message("POST", enrol, {{"content-type", "text/plain"}, login}, pem), 415, "application/pkcs10"},
      {message("POST", enrol, {pkcs10, login}, ""), 400, "no PKCS#10"},
      {message("POST", enrol, {pkcs10, login}, "AAAA"), 400, "no PKCS#10"},
      {message("POST", enrol, {pkcs10, login}, "-----BEGIN CERTIFICATE REQUEST-----"), 400, "no PKCS#10"},
      {message("POST", enrol, {pkcs10, login}, pem.substr(0, pem.size() / 2)), 400, "no PKCS#10"},
  };
  for (const auto& each : cases) {
    const EstVerdict verdict = read_est_request(each.asked);
    EXPECT_FALSE(verdict.request) << each.asked.method << " " << each.asked.target;
    EXPECT_EQ(verdict.refusal.status, each.status) << each.asked.method << " " << each.asked.target << ": " << verdict.refusal.fault.text();
    EXPECT_THAT(verdict.refusal.fault.cause, HasSubstr(each.cause));
    EXPECT_FALSE(verdict.refusal.fault.remedy.empty()) << each.asked.target;
  }
}

TEST(EstMessage, CertificatesComeAsPkcs7InBase64) {
  const auto authority = certificates::make_issuing_authority("onboarding", "c1.inside.example.com", std::time(nullptr));
  ASSERT_TRUE(authority);
  const std::string answer = est_answer(EstOperation::enrol, {authority->certificate});
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/pkcs7-mime; smime-type=certs-only\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Transfer-Encoding: base64\r\n"));
  const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
  EXPECT_THAT(answer, HasSubstr("Content-Length: " + std::to_string(body.size()) + "\r\n"));
  const std::string pem = "-----BEGIN PKCS7-----\n" + body + "-----END PKCS7-----\n";
  const std::unique_ptr<BIO, int (*)(BIO*)> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<PKCS7, void (*)(PKCS7*)> read(PEM_read_bio_PKCS7(text.get(), nullptr, nullptr, nullptr), &PKCS7_free);
  ASSERT_NE(read, nullptr);
  ASSERT_EQ(sk_X509_num(read->d.sign->cert), 1);
  EXPECT_EQ(X509_cmp(sk_X509_value(read->d.sign->cert, 0), authority->certificate.get()), 0);
}

TEST(EstMessage, ARefusalIsToldInWordsAndAsksForACode) {
  const std::string answer = est_answer(EstRefusal{401, {FaultCode::refused, "request to onboard", "brings no activation code", "send it"}});
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 401 Unauthorized\r\n"));
  EXPECT_THAT(answer, HasSubstr("WWW-Authenticate: Basic realm=\"onboarding\"\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("request to onboard: brings no activation code; send it\n"));
}

// The reader's limits: of the two that this message exceeds, the one that is meant is named.
TEST(EstMessage, ABodyThatIsAnnouncedAsTooLongIsNamedAsThat) {
  http::HttpReader reader(http::HttpReader::Kind::request, {.header_bytes = 1024, .body_bytes = 1024});
  const auto put = reader.put("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'A'));
  ASSERT_FALSE(put);
  EXPECT_THAT(put.fault().cause, HasSubstr("its body is longer than 1024 bytes"));
}

}  // namespace
}  // namespace sallyport::onboarding::test
