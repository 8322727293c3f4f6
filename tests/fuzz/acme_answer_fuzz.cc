// SPDX-License-Identifier: Apache-2.0
// Any bytes as an authority's answer, raw and as HTTP: each is taken or refused with a fault; what is taken keeps its promises.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/acme/acme_resource.h"
#include "controlplane/acme/certificate_chain.h"
#include "controlplane/http/http_message.h"
#include "controlplane/http/http_url.h"
#include "controlplane/acme/timestamp.h"

using namespace sallyport;
using namespace sallyport::acme;
using namespace sallyport::http;

namespace {

const std::string subject = "authority fuzz";

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_url(const std::string& text, bool may_be_empty) { return (may_be_empty && text.empty()) || parse_https_url(text).has_value(); }

template <class T>
bool taken(const Outcome<T>& outcome) {
  // A fault is for the operator's eyes: one line, of bounded length.
  if (!outcome) require(outcome.fault().text().find('\n') == std::string::npos && outcome.fault().text().size() < 4096 && !outcome.fault().cause.empty());
  return outcome.has_value();
}

void check_json(std::string_view body) {
  const auto directory = read_directory(subject, body);
  if (taken(directory)) require(is_url(directory->new_nonce, false) && is_url(directory->new_order, false) && is_url(directory->renewal_info, true));
  const auto order = read_order(subject, body);
  if (taken(order)) {
    require(is_url(order->finalize, false) && is_url(order->certificate, true) && order->authorizations.size() <= 100);
    for (const std::string& url : order->authorizations) require(is_url(url, false));
    if (order->error) require(order->error->fault(subject).text().size() < 16384);
  }
  const auto authorization = read_authorization(subject, body);
  if (taken(authorization)) {
    for (const Challenge& challenge : authorization->challenges) require(is_url(challenge.url, false) && challenge.token.find_first_of("/.\r\n ") == std::string::npos && !challenge.token.empty());
  }
  const auto renewal = read_renewal_info(subject, body);
  if (taken(renewal)) require(renewal->start_s < renewal->end_s);
  const std::string words = problem_of(400, "application/problem+json", body).text();
  require(words.find('\n') == std::string::npos && words.find('\x1b') == std::string::npos);
}

// As it comes from the wire, in two pieces.
void check_http(std::string_view bytes, HttpReader::Kind kind) {
  HttpLimits limits;
  limits.header_bytes = 4096;
  limits.body_bytes = 4096;
  HttpReader reader(kind, limits);
  const auto first = reader.put(bytes.substr(0, bytes.size() / 2));
  if (!first) return;
  bool done = *first;
  if (!done) {
    const auto second = reader.put(bytes.substr(bytes.size() / 2));
    if (!second) return;
    done = *second;
  }
  if (!done && !reader.put_end()) return;
  const HttpMessage message = reader.take();
  require(message.body.size() <= limits.body_bytes);
  if (kind == HttpReader::Kind::answer && message.status < 400) check_json(message.body);
  if (const std::string* delay = message.find("retry-after")) {
    const auto seconds = parse_retry_after(*delay, 1'795'860'000);
    require(!seconds || (*seconds >= 0 && *seconds <= 366 * 86400));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_json(bytes);
  check_http(bytes, HttpReader::Kind::answer);
  check_http(bytes, HttpReader::Kind::request);
  const auto chain = CertificateChain::read(bytes);
  if (chain) require(!chain->pem.empty() && chain->certificates.size() <= 10);
  return 0;
}
