// SPDX-License-Identifier: Apache-2.0
// Any bytes as a session description: nothing may crash, no edit changes nothing, and an anchored description parses
// with our ports in it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/sip/crypto_attribute.h"
#include "controlplane/sip/sdp.h"
#include "controlplane/sip/sdp_edit.h"

namespace sallyport::sip {
namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void read_everything(const Sdp& sdp) {
  std::uint32_t at = 0;
  for (const SdpLine& line : sdp.lines()) {
    expect(line.begin == at && line.end > line.begin);
    at = line.end;
    parse_candidate(line);
    const CryptoResult result = read_crypto(line);
    expect(result.attribute.has_value() == result.refusal.empty());
    if (!result.attribute) continue;
    // What was read can be written, and reads as the same key.
    std::string text;
    format_crypto(*result.attribute, text);
    Sdp again;
    expect(parse_sdp(text, again).ok());
    const CryptoResult copy = read_crypto(again.lines()[0]);
    expect(copy.attribute && copy.attribute->mki == result.attribute->mki &&
           copy.attribute->lifetime_packets == result.attribute->lifetime_packets);
    const auto a = result.attribute->key.bytes(), b = copy.attribute->key.bytes();
    expect(std::string_view(reinterpret_cast<const char*>(a.data()), a.size()) ==
           std::string_view(reinterpret_cast<const char*>(b.data()), b.size()));
  }
  expect(at == sdp.text().size());
  for (const SdpMedia& media : sdp.media()) {
    std::uint8_t types[16];
    const std::size_t count = payload_types(media, types);
    for (std::size_t i = 0; i < count; ++i) clock_rate_hz(sdp, media, types[i]);
    connection(sdp, media);
    direction(sdp, media);
    is_held(sdp, media);
    rtcp(sdp, media);
    ptime_ms(sdp, media);
    mid(sdp, media);
    effective_attribute(sdp, media, "setup");
  }
}

void anchor(const Sdp& sdp) {
  SdpEdit edit(sdp);
  edit.set_session_connection("192.0.2.1");
  std::uint16_t port = 36002;
  for (const SdpMedia& media : sdp.media()) {
    edit.set_port(media, port);
    edit.set_connection(media, "2001:db8::1");
    edit.remove_attributes(media, "candidate");
    edit.append(media, {"a=x-leg:", "1"});
    port += 2;
  }
  edit.append_session("a=ice-lite");
  const std::string out = edit.serialise();
  Sdp after;
  const Verdict verdict = parse_sdp(out, after);
  // Only the size may have grown past a limit.
  if (!verdict.ok()) {
    expect(out.size() > max_sdp_bytes || sdp.lines().size() + 2 * sdp.media().size() + 1 > max_sdp_lines);
    return;
  }
  expect(after.media().size() == sdp.media().size());
  port = 36002;
  for (const SdpMedia& media : after.media()) {
    expect(media.port == port && connection(after, media)->address == "2001:db8::1");
    expect(find_attribute(after.lines(media), "candidate") == nullptr);
    expect(after.lines(media).back().value == "x-leg:1");
    port += 2;
  }
  expect(after.session_lines().back().value == "ice-lite");
}

}  // namespace
}  // namespace sallyport::sip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::sip;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Sdp sdp;
  const Verdict verdict = parse_sdp(text, sdp);
  if (!verdict.ok()) {
    expect(!verdict.reason.empty());
    return 0;
  }
  expect(SdpEdit(sdp).serialise() == text);
  read_everything(sdp);
  anchor(sdp);
  return 0;
}
