// SPDX-License-Identifier: Apache-2.0
// Any bytes as a stream, cut in pieces that its first byte chooses: what comes out must not depend on how it was cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/sip/framer.h"
#include "controlplane/sip/message.h"

namespace sallyport::sip {
namespace {

// The events of a stream as text: kind, and the frame for messages.
std::string events(std::string_view stream, std::size_t piece, Framer::Side side) {
  Framer framer(side, {.head_bytes = 2048, .body_bytes = 4096, .headers = 32});
  std::string seen;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    const std::string bytes(stream.substr(at, piece));
    framer.feed(bytes);
    for (;;) {
      std::string_view frame;
      const Framer::Event event = framer.next(frame);
      if (event == Framer::Event::need_more) break;
      seen.append("|").append(std::to_string(static_cast<int>(event)));
      if (event == Framer::Event::refused) return seen;
      seen.append(frame);
      if (event != Framer::Event::message) continue;
      Message message;
      // Cut by Content-Length, so the parser finds the same end, or refuses the message for another reason.
      if (parse(frame, message) && message.text() != frame) std::abort();
    }
    if (framer.pending_bytes() > 2048 + 4096 + bytes.size()) std::abort();
  }
  return seen;
}

}  // namespace
}  // namespace sallyport::sip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::sip;
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = 1 + data[0] / 2;
  const auto side = data[0] % 2 == 0 ? Framer::Side::accepted : Framer::Side::dialled;
  if (events(stream, piece, side) != events(stream, stream.size() + 1, side)) std::abort();
  return 0;
}
