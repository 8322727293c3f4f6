// SPDX-License-Identifier: Apache-2.0
#pragma once
// StanzaScanner: finds the pieces of one direction of an XMPP stream (RFC 6120) as its bytes come: the stream's header, each stanza, the
// stream's end. It keeps no tree and no bytes but what it is told to capture, so an idle stream costs its few words. Every byte is looked
// at once, whatever the cuts between them, so no sender can make it work twice.
// Refused: what RFC 6120 11.1 restricts (comments, processing instructions, DOCTYPE, entity references but the predefined), control
// characters, text between stanzas, and what exceeds the limits. Names of end tags, uniqueness of attributes, namespaces and UTF-8 are
// left to the server that reads the stream: no mistake there moves the bounds of what it calls a stanza. One thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::xmpp {

struct ScanLimits {
  uint32_t header_bytes = 4 << 10;
  uint32_t stanza_bytes = 64 << 10;
  uint32_t depth = 64;  // of elements, the stream's own counted
};

enum class ScanFault : uint8_t { none, not_well_formed, restricted_xml, header_too_big, stanza_too_big, too_deep };
const char* name_of(ScanFault fault);

class StanzaScanner {
 public:
  enum class Piece : uint8_t { none, header, stanza, end, fault };
  // What captured() holds when a piece is there: nothing of stanzas, their start tag, or all of them. The header is always held.
  enum class Capture : uint8_t { none, tag, stanza };

  explicit StanzaScanner(ScanLimits limits = {}, Capture capture = Capture::none) : limits_(limits), capture_(capture) {}

  // Takes bytes from the front of `bytes` up to the end of the next piece. none: all were taken and no piece is complete.
  // After `end` and `fault` it takes no more.
  Piece next(std::string_view& bytes);
  // The next piece is a header again: after SASL's success (RFC 6120 6.4.6).
  void restart();
  void set_limits(ScanLimits limits) { limits_ = limits; }
  void set_capture(Capture capture) { capture_ = capture; }

  const std::string& captured() const { return captured_; }
  std::string take_captured();  // and releases its memory
  ScanFault fault() const { return fault_; }
  // Within a stanza or a header: the sender owes the rest of it.
  bool is_within() const { return state_ != State::between && state_ != State::start; }
  uint64_t stanzas() const { return stanzas_; }

 private:
  enum class State : uint8_t {
    start,          // before the header; white space only
    between,        // stanzas
    text,           // within a stanza
    open,           // '<' was there
    name, tag,      // of a start tag; tag: between attributes
    attribute, equals, single, twofold, slash,
    end_name, bang, cdata_head, cdata, declaration,
    reference, reference_in_single, reference_in_twofold,
    done,
  };
  Piece fail(ScanFault fault);
  Piece on_start_tag(bool is_empty);
  Piece on_end_tag();
  bool keep(char c);

  ScanLimits limits_;
  Capture capture_;
  State state_ = State::start;
  ScanFault fault_ = ScanFault::none;
  uint8_t matched_ = 0;        // of "[CDATA[", "]]>", or "?>"; bytes of a reference
  char reference_[8] = {};
  bool had_declaration_ = false;
  uint32_t depth_ = 0;
  uint32_t piece_bytes_ = 0;   // of the header or stanza under way
  uint64_t stanzas_ = 0;
  std::string captured_;
};

}  // namespace sallyport::xmpp
