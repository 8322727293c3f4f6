// SPDX-License-Identifier: Apache-2.0
// Any bytes as one SIP message: nothing may crash, an untouched message leaves as it came, and what a proxy edits still
// parses and holds exactly the edits.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/body.h"
#include "controlplane/sip/cseq.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/edit.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/response.h"
#include "controlplane/sip/validate.h"
#include "controlplane/sip/via.h"

namespace sallyport::sip {
namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

bool is_within(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

std::size_t count_values(const Message& message, HeaderId id) {
  std::size_t count = 0;
  for (const HeaderValue& value : values(message, id)) {
    expect(is_within(value.text, value.header->value));
    ++count;
  }
  return count;
}

void read_everything(const Message& message) {
  std::uint32_t at = message.headers_begin();
  for (const Header& header : message.headers()) {
    expect(header.begin >= at && header.end > header.begin);
    expect(is_within(header.value, message.text().substr(header.begin, header.end - header.begin)));
    at = header.end;
    for (const HeaderValue& value : values(header)) {
      if (const auto address = parse_name_addr(value.text)) expect(is_within(address->uri.text, value.text));
      if (const auto via = parse_via(value.text)) expect(is_within(via->host, value.text));
    }
    parse_cseq(header.value);
    parse_rack(header.value);
    if (const auto challenge = parse_challenge(header.value))
      expect(parse_challenge(format_challenge(*challenge)).has_value());
    if (const auto credentials = parse_credentials(header.value)) expect(!credentials->nonce.empty());
    peek_identity(header.value);
  }
  if (const auto uri = parse_uri(message.request_uri())) expect(equal(*uri, *uri));
  if (const auto sdp = find_sdp(message)) expect(is_within(*sdp, message.body()) && !sdp->empty());
}

void answer(const Message& message) {
  std::string out;
  write_response(message, {.status = 400, .to_tag = "t"}, out);
  Message response;
  expect(parse(out, response).ok() && response.status() == 400);
  if (!validate_request(message)) return;
  out.clear();
  write_cancel(message, out);
  expect(parse(out, response).ok());
}

void forward(const Message& message) {
  Edit edit(message);
  expect(edit.serialise() == message.text());
  const std::size_t routes = count_values(message, HeaderId::route);
  const std::size_t vias = count_values(message, HeaderId::via);
  stamp_source(edit, message, "192.0.2.1", 5061);
  edit.push_front(HeaderId::via, "SIP/2.0/TLS edge.example.com;branch=z9hG4bKfuzz");
  edit.push_front(HeaderId::record_route, {"<sip:", "edge.example.com", ";lr>"});
  edit.set(HeaderId::max_forwards, "69");
  if (const auto route = first_value(message, HeaderId::route)) edit.remove(*route);
  if (const auto sdp = find_sdp(message)) edit.replace_body_part(*sdp, "v=0\r\n");
  const std::string out = edit.serialise();
  Message after;
  expect(parse(out, after).ok());
  expect(after.text() == out && after.kind() == message.kind());
  expect(count_values(after, HeaderId::via) == vias + 1);
  expect(count_values(after, HeaderId::route) == (routes == 0 ? 0 : routes - 1));
  expect(after.value(HeaderId::max_forwards) == "69" && after.count(HeaderId::max_forwards) == 1);
  if (find_sdp(message)) expect(after.value(HeaderId::content_length) == std::to_string(after.body().size()));
  if (validate_request(message)) expect(validate_request(after).ok());
}

// Every value of a list header removed, one at a time and in an order the input chooses: the header is gone.
void remove_all_values(const Message& message, HeaderId id, unsigned order) {
  std::vector<HeaderValue> left;
  for (const HeaderValue& value : values(message, id)) left.push_back(value);
  Edit edit(message);
  while (!left.empty()) {
    const std::size_t index = (order = order * 1103515245u + 12345u) / 65536u % left.size();
    edit.remove(left[index]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(index));
    Message after;
    const std::string out = edit.serialise();
    expect(parse(out, after).ok());
    expect(count_values(after, id) == left.size());
  }
}

}  // namespace
}  // namespace sallyport::sip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::sip;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Message message;
  const Verdict verdict = parse(text, message);
  expect(verdict.ok() || !verdict.reason.empty());
  read_everything(message);
  if (message.is_request()) answer(message);
  if (!verdict.ok()) return 0;
  forward(message);
  if (message.headers().size() < 40) {
    for (const HeaderId id : {HeaderId::via, HeaderId::route, HeaderId::contact, HeaderId::supported}) {
      if (count_values(message, id) < 20) remove_all_values(message, id, static_cast<unsigned>(size));
    }
  }
  return 0;
}
