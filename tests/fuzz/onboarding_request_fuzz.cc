// SPDX-License-Identifier: Apache-2.0
// What comes to the port where phones are onboarded, in two pieces, and the lines that E and C say to each other about it, of any bytes: read within limits, or
// refused with cause and remedy; what is read of a line is read again from what is written.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/certificates/issuing_authority.h"
#include "controlplane/onboarding/est_message.h"
#include "controlplane/onboarding/onboarding_exchange.h"

using namespace sallyport;
using namespace sallyport::onboarding;

namespace {

void need(bool holds) {
  if (!holds) std::abort();
}

void read_as_http(std::string_view bytes) {
  http::HttpReader reader(http::HttpReader::Kind::request, {.header_bytes = 8 << 10, .body_bytes = 16 << 10});
  const std::size_t half = bytes.size() / 2;
  auto put = reader.put(bytes.substr(0, half));
  if (put && !*put) put = reader.put(bytes.substr(half));
  if (!put || !*put) return;
  const EstVerdict verdict = read_est_request(reader.take());
  if (!verdict.request) {
    need(verdict.refusal.status >= 400 && !verdict.refusal.fault.cause.empty() && !verdict.refusal.fault.remedy.empty());
    need(est_answer(verdict.refusal).starts_with("HTTP/1.1 4"));
    return;
  }
  const EstRequest& request = *verdict.request;
  if (request.operation == EstOperation::authorities) return;
  need(!request.request_pem.empty() && (request.operation == EstOperation::renew) == request.device.empty());
  const auto key = certificates::requested_key(request.request_pem, "phone");
  need(key || !key.fault().remedy.empty());
  const auto again = parse_onboarding_request(format_onboarding_request({request.device, request.code, request.request_pem, "", "192.0.2.1:1"}));
  need(!again || again->request_pem == request.request_pem);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_as_http(bytes);
  if (const auto request = parse_onboarding_request(bytes)) {
    const auto again = parse_onboarding_request(format_onboarding_request(*request));
    need(again && again->device == request->device && again->code == request->code && again->request_pem == request->request_pem && again->source == request->source);
  }
  if (const auto answer = parse_onboarding_answer(bytes)) need(!answer->empty());
  return 0;
}
