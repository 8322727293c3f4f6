// SPDX-License-Identifier: Apache-2.0
// Any bytes as an XMPP stream, cut in pieces that its first byte chooses. What the scanner finds must not depend on the cuts, and it must
// see the same header, stanzas and end as expat does, up to where expat finds what is not well-formed, or RFC 6120 11.1 restricts. So no
// bytes are one stanza here and two at the server inside. What is found goes through the readers of the few stanzas that are read.
#include <expat.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/xmpp/features_filter.h"
#include "controlplane/xmpp/stanza_scanner.h"
#include "controlplane/xmpp/stream_text.h"
#include "controlplane/xmpp/xml_element.h"

namespace sallyport::xmpp {
namespace {

using Piece = StanzaScanner::Piece;

struct Found {
  Piece piece;
  size_t end;  // byte behind it
  bool operator==(const Found&) const = default;
};

constexpr ScanLimits limits{1 << 20, 1 << 20, 1 << 20};

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// Lead bytes have their trailing bytes; expat waits for those, and the scanner does not.
bool has_whole_characters(std::string_view text) {
  size_t owed = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool is_trailing = (byte & 0xC0) == 0x80;
    if (is_trailing != (owed > 0)) return false;
    owed = is_trailing ? owed - 1 : byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
  }
  return owed == 0;
}

void require(bool holds) {
  if (!holds) std::abort();
}

// Ends with Piece::fault where the scanner does.
std::vector<Found> scan(std::string_view stream, size_t cut, StanzaScanner::Capture capture) {
  StanzaScanner scanner(limits, capture);
  std::vector<Found> found;
  std::string header;
  size_t last = 0;
  for (size_t at = 0; at < stream.size(); at += cut) {
    const std::string bytes(stream.substr(at, cut));
    std::string_view run = bytes;
    for (;;) {
      const Piece piece = scanner.next(run);
      if (piece == Piece::none) break;
      const size_t end = at + bytes.size() - run.size();
      found.push_back({piece, end});
      if (piece == Piece::fault || piece == Piece::end) return found;
      const std::string text = scanner.take_captured();
      if (piece == Piece::header) {
        header = text;
        (void)parse_stream_header(text);
      } else if (capture == StanzaScanner::Capture::stanza) {
        require(text.size() <= end - last && stream.substr(end - text.size(), text.size()) == text && is_blank(stream.substr(last, end - text.size() - last)));
        const auto filtered = without_channel_binding(text, header);
        if (filtered && filtered->taken_out == 0) require(filtered->bytes == text);
        if (filtered) require(static_cast<bool>(parse_element(filtered->bytes, header)));
      } else {
        (void)login_word(text);
      }
      last = end;
    }
  }
  return found;
}

// What expat says of the same bytes; is_whole: to their end nothing was wrong or restricted.
struct Oracle {
  XML_Parser parser;
  std::string_view stream;
  std::vector<Found> found;
  size_t depth = 0;
  size_t judged = 0;  // bytes of tokens that are complete
  bool is_whole = true, is_over = false;

  size_t here() const { return static_cast<size_t>(XML_GetCurrentByteIndex(parser)); }
  size_t behind() { return judged = here() + static_cast<size_t>(XML_GetCurrentByteCount(parser)); }
  void stop(bool is_wrong) {
    if (is_wrong) is_whole = false;
    is_over = true;
    XML_StopParser(parser, XML_FALSE);
  }
};

Oracle& oracle_of(void* data) { return *static_cast<Oracle*>(data); }

void on_start(void* data, const char*, const char**) {
  Oracle& oracle = oracle_of(data);
  if (oracle.is_over) return;
  const size_t end = oracle.behind();
  if (++oracle.depth > 1) return;
  // A stream's root has tags of its own.
  if (oracle.stream[end - 2] == '/') return oracle.stop(true);
  oracle.found.push_back({Piece::header, end});
}

void on_end(void* data, const char*) {
  Oracle& oracle = oracle_of(data);
  if (oracle.is_over) return;
  --oracle.depth;
  (void)oracle.behind();
  if (oracle.depth == 1) oracle.found.push_back({Piece::stanza, oracle.behind()});
  if (oracle.depth == 0) {
    oracle.found.push_back({Piece::end, oracle.behind()});
    oracle.stop(false);
  }
}

void on_text(void* data, const char* text, int length) {
  Oracle& oracle = oracle_of(data);
  if (oracle.is_over) return;
  (void)oracle.behind();
  if (oracle.depth > 1) return;
  if (oracle.stream[oracle.here()] == '&' || !is_blank({text, static_cast<size_t>(length)})) oracle.stop(true);
}

Oracle judge(std::string_view stream) {
  Oracle oracle{XML_ParserCreate("UTF-8"), stream, {}};
  XML_SetUserData(oracle.parser, &oracle);
  XML_SetElementHandler(oracle.parser, on_start, on_end);
  XML_SetCharacterDataHandler(oracle.parser, on_text);
  XML_SetCommentHandler(oracle.parser, [](void* data, const char*) { oracle_of(data).stop(true); });
  XML_SetProcessingInstructionHandler(oracle.parser, [](void* data, const char*, const char*) { oracle_of(data).stop(true); });
  XML_SetStartDoctypeDeclHandler(oracle.parser, [](void* data, const char*, const char*, const char*, int) { oracle_of(data).stop(true); });
  XML_SetXmlDeclHandler(oracle.parser, [](void* data, const char*, const char*, int) { (void)oracle_of(data).behind(); });
  XML_SetEndCdataSectionHandler(oracle.parser, [](void* data) { (void)oracle_of(data).behind(); });
  XML_SetStartCdataSectionHandler(oracle.parser, [](void* data) {
    if (oracle_of(data).depth < 2) oracle_of(data).stop(true);
  });
  const XML_Status status = XML_Parse(oracle.parser, stream.data(), static_cast<int>(stream.size()), 0);
  if ((status != XML_STATUS_OK && !oracle.is_over) || !has_whole_characters(stream)) oracle.is_whole = false;
  XML_ParserFree(oracle.parser);
  return oracle;
}

}  // namespace
}  // namespace sallyport::xmpp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::xmpp;
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (stream.size() > limits.stanza_bytes || stream.starts_with("\xEF\xBB\xBF")) return 0;  // RFC 6120 11.6: no byte order mark
  const std::vector<Found> found = scan(stream, stream.size() + 1, StanzaScanner::Capture::stanza);
  const auto other = data[0] % 2 == 0 ? StanzaScanner::Capture::tag : StanzaScanner::Capture::none;
  require(scan(stream, 1 + data[0] / 2, other) == found);
  const Oracle oracle = judge(stream);
  require(found.size() >= oracle.found.size() && std::equal(oracle.found.begin(), oracle.found.end(), found.begin()));
  // Before its end expat cannot tell a token that the scanner refuses at its first bytes.
  if (oracle.is_whole && found.size() > oracle.found.size()) require(found.back().piece == Piece::fault && found.back().end > oracle.judged && found.size() == oracle.found.size() + 1);
  return 0;
}
