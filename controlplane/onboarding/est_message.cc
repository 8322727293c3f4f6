// SPDX-License-Identifier: Apache-2.0
#include "controlplane/onboarding/est_message.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include <memory>

#include "controlplane/certificates/onboarding_store.h"
#include "controlplane/config/fqdn.h"

namespace sallyport::onboarding {
namespace {

constexpr std::string_view prefix = "/.well-known/est/";
constexpr std::string_view armour_begin = "-----BEGIN ", armour_end = "-----END ";

std::optional<std::string> decode_base64(std::string_view text) {
  const std::unique_ptr<EVP_ENCODE_CTX, void (*)(EVP_ENCODE_CTX*)> context(EVP_ENCODE_CTX_new(), &EVP_ENCODE_CTX_free);
  std::string bytes(text.size() / 4 * 3 + 4, '\0');
  int first = 0, rest = 0;
  EVP_DecodeInit(context.get());
  const bool is_fine = EVP_DecodeUpdate(context.get(), reinterpret_cast<unsigned char*>(bytes.data()), &first, reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size())) >= 0 &&
                       EVP_DecodeFinal(context.get(), reinterpret_cast<unsigned char*>(bytes.data()) + first, &rest) >= 0;
  ERR_clear_error();
  if (!is_fine) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(first) + static_cast<std::size_t>(rest));
  return bytes;
}

std::string encode_base64(std::string_view bytes) {
  const std::unique_ptr<EVP_ENCODE_CTX, void (*)(EVP_ENCODE_CTX*)> context(EVP_ENCODE_CTX_new(), &EVP_ENCODE_CTX_free);
  std::string text(bytes.size() / 48 * 65 + 2 * 65 + 1, '\0');
  int first = 0, rest = 0;
  EVP_EncodeInit(context.get());
  EVP_EncodeUpdate(context.get(), reinterpret_cast<unsigned char*>(text.data()), &first, reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  EVP_EncodeFinal(context.get(), reinterpret_cast<unsigned char*>(text.data()) + first, &rest);
  text.resize(static_cast<std::size_t>(first) + static_cast<std::size_t>(rest));
  return text;
}

// RFC 7030 4.2.1 has base64 of DER; people send PEM, whose armour is left out.
std::string_view without_armour(std::string_view body) {
  const std::size_t begin = body.find(armour_begin), end = body.find(armour_end);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return body;
  const std::size_t line = body.find('\n', begin);
  return line == std::string_view::npos || line >= end ? std::string_view{} : body.substr(line + 1, end - line - 1);
}

std::optional<std::string> request_pem_of(std::string_view body) {
  const auto der = decode_base64(without_armour(body));
  if (!der || der->empty()) return std::nullopt;
  const auto* at = reinterpret_cast<const unsigned char*>(der->data());
  const auto* const end = at + der->size();
  const std::unique_ptr<X509_REQ, void (*)(X509_REQ*)> request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der->size())), &X509_REQ_free);
  ERR_clear_error();
  if (request == nullptr || at != end) return std::nullopt;
  return "-----BEGIN CERTIFICATE REQUEST-----\n" + encode_base64(*der) + "-----END CERTIFICATE REQUEST-----\n";
}

EstVerdict refuse(unsigned status, std::string cause, std::string remedy) { return {std::nullopt, {status, {status == 401 ? FaultCode::refused : FaultCode::invalid, "request to onboard", std::move(cause), std::move(remedy)}}}; }

// RFC 7617.
bool take_basic(const std::string& field, std::string& user, std::string& password) {
  constexpr std::string_view scheme = "basic ";
  if (field.size() < scheme.size() || config::lower_case(std::string_view(field).substr(0, scheme.size())) != scheme) return false;
  auto text = decode_base64(std::string_view(field).substr(scheme.size()));
  const std::size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return false;
  user = text->substr(0, colon);
  password = text->substr(colon + 1);
  OPENSSL_cleanse(text->data(), text->size());
  return !user.empty() && !password.empty();
}

const char* phrase_of(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 415: return "Unsupported Media Type";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
  }
}

std::string head(unsigned status, const char* type, std::size_t size, const char* further = "") {
  return "HTTP/1.1 " + std::to_string(status) + " " + phrase_of(status) + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(size) + "\r\nCache-Control: no-store\r\nConnection: close\r\n" + further + "\r\n";
}

}  // namespace

EstVerdict read_est_request(const http::HttpMessage& message) {
  const std::string_view target(message.target);
  const std::string_view name = target.starts_with(prefix) ? target.substr(prefix.size()) : std::string_view{};
  EstRequest request;
  if (name == "cacerts") request.operation = EstOperation::authorities;
  else if (name == "simpleenroll") request.operation = EstOperation::enrol;
  else if (name == "simplereenroll") request.operation = EstOperation::renew;
  else return refuse(404, "is for a path that is not served here", "use /.well-known/est/cacerts, simpleenroll or simplereenroll (RFC 7030)");
  const bool is_reading = request.operation == EstOperation::authorities;
  if (message.method != (is_reading ? "GET" : "POST")) return refuse(405, "has a method that this path does not take", is_reading ? "use GET" : "use POST");
  if (is_reading) return {std::move(request), {}};
  if (request.operation == EstOperation::enrol) {
    const std::string* authorization = message.find("authorization");
    if (authorization == nullptr) return refuse(401, "brings no activation code", "send the phone's name and its code by HTTP Basic");
    if (!take_basic(*authorization, request.device, request.code)) return refuse(401, "has an Authorization field that is not HTTP Basic with a phone's name and a code", "send both by HTTP Basic (RFC 7617)");
    // What goes into logs and a certificate.
    if (const std::string objection = certificates::device_name_objection(request.device); !objection.empty()) return refuse(400, "has a phone's name that " + objection, "use the name that the code was made for");
  }
  if (message.media_type() != "application/pkcs10") return refuse(415, "has a body that is not application/pkcs10", "send a PKCS#10 request, DER in base64 (RFC 7030 4.2.1)");
  const auto pem = request_pem_of(message.body);
  if (!pem) return refuse(400, "has a body that is no PKCS#10 request in base64", "send DER in base64 (RFC 7030 4.2.1)");
  request.request_pem = *pem;
  return {std::move(request), {}};
}

std::string est_answer(EstOperation operation, const std::vector<certificates::CertificatePtr>& certificates) {
  const std::unique_ptr<PKCS7, void (*)(PKCS7*)> message(PKCS7_new(), &PKCS7_free);
  bool is_fine = message != nullptr && PKCS7_set_type(message.get(), NID_pkcs7_signed) == 1 && PKCS7_content_new(message.get(), NID_pkcs7_data) == 1 && PKCS7_set_detached(message.get(), 1) == 1;
  for (const certificates::CertificatePtr& each : certificates) is_fine = is_fine && PKCS7_add_certificate(message.get(), each.get()) == 1;
  unsigned char* der = nullptr;
  const int size = is_fine ? i2d_PKCS7(message.get(), &der) : -1;
  ERR_clear_error();
  if (size <= 0) return est_answer(EstRefusal{500, {FaultCode::internal, "certificate", "could not be written as PKCS#7", "check the system's OpenSSL configuration"}});
  const std::string body = encode_base64(std::string_view(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return head(200, operation == EstOperation::authorities ? "application/pkcs7-mime" : "application/pkcs7-mime; smime-type=certs-only", body.size(), "Content-Transfer-Encoding: base64\r\n") + body;
}

std::string est_answer(const EstRefusal& refusal) {
  const std::string body = refusal.fault.text() + "\n";
  const char* further = refusal.status == 401 ? "WWW-Authenticate: Basic realm=\"onboarding\"\r\n" : refusal.status == 503 ? "Retry-After: 30\r\n" : "";
  return head(refusal.status, "text/plain; charset=utf-8", body.size(), further) + body;
}

unsigned status_of(FaultCode code) {
  switch (code) {
    case FaultCode::invalid: return 400;
    case FaultCode::missing: return 404;
    case FaultCode::refused: return 403;
    case FaultCode::exhausted:
    case FaultCode::conflict:
    case FaultCode::unreachable: return 503;
    case FaultCode::timeout: return 504;
    case FaultCode::internal: break;
  }
  return 500;
}

}  // namespace sallyport::onboarding
