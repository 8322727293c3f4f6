// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/stanza_scanner.h"

#include <array>
#include <utility>

namespace sallyport::xmpp {
namespace {

enum Class : uint8_t { plain = 0, illegal = 1, less = 2, ampersand = 4, quote = 8, apostrophe = 16, space = 32, slash_or_greater = 64, equals_sign = 128 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 32; ++c) classes[static_cast<size_t>(c)] = illegal;
  for (const char c : {' ', '\t', '\r', '\n'}) classes[static_cast<uint8_t>(c)] = space;
  classes[0xFE] = classes[0xFF] = illegal;  // never in UTF-8
  classes['<'] = less;
  classes['&'] = ampersand;
  classes['"'] = quote;
  classes['\''] = apostrophe;
  classes['/'] = classes['>'] = slash_or_greater;
  classes['='] = equals_sign;
  return classes;
}
constexpr std::array<uint8_t, 256> classes = make_classes();

uint8_t class_of(char c) { return classes[static_cast<uint8_t>(c)]; }
bool is_space(char c) { return class_of(c) == space; }
// A name may begin so; bytes beyond ASCII are taken as letters.
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || static_cast<uint8_t>(c) >= 0x80; }

bool is_predefined(std::string_view reference) {
  if (reference == "lt" || reference == "gt" || reference == "amp" || reference == "quot" || reference == "apos") return true;
  if (reference.size() < 2 || reference[0] != '#') return false;
  const bool is_hex = reference[1] == 'x';
  const std::string_view digits = reference.substr(is_hex ? 2 : 1);
  return !digits.empty() && digits.find_first_not_of(is_hex ? "0123456789abcdefABCDEF" : "0123456789") == std::string_view::npos;
}

constexpr std::string_view cdata_open = "[CDATA[";
constexpr std::string_view declaration_open = "xml";

}  // namespace

const char* name_of(ScanFault fault) {
  switch (fault) {
    case ScanFault::none: return "none";
    case ScanFault::not_well_formed: return "not_well_formed";
    case ScanFault::restricted_xml: return "restricted_xml";
    case ScanFault::header_too_big: return "header_too_big";
    case ScanFault::stanza_too_big: return "stanza_too_big";
    case ScanFault::too_deep: return "too_deep";
  }
  return "";
}

std::string StanzaScanner::take_captured() { return std::exchange(captured_, std::string()); }

void StanzaScanner::restart() {
  state_ = State::start;
  depth_ = 0;
  piece_bytes_ = 0;
  had_declaration_ = false;
  captured_.clear();
}

StanzaScanner::Piece StanzaScanner::fail(ScanFault fault) {
  fault_ = fault;
  state_ = State::done;
  return Piece::fault;
}

StanzaScanner::Piece StanzaScanner::on_start_tag(bool is_empty) {
  ++depth_;
  if (depth_ > limits_.depth) return fail(ScanFault::too_deep);
  if (depth_ == 1) {
    // RFC 6120 4.2: a stream's root is opened and closed by tags of their own.
    if (is_empty) return fail(ScanFault::not_well_formed);
    state_ = State::between;
    piece_bytes_ = 0;
    return Piece::header;
  }
  state_ = State::text;
  return is_empty ? on_end_tag() : Piece::none;
}

StanzaScanner::Piece StanzaScanner::on_end_tag() {
  --depth_;
  if (depth_ == 0) {
    state_ = State::done;
    return Piece::end;
  }
  state_ = depth_ == 1 ? State::between : State::text;
  if (depth_ > 1) return Piece::none;
  piece_bytes_ = 0;
  ++stanzas_;
  return Piece::stanza;
}

// False: the piece exceeds its limit.
bool StanzaScanner::keep(char c) {
  const bool is_header = depth_ == 0;
  if (++piece_bytes_ > (is_header ? limits_.header_bytes : limits_.stanza_bytes)) return false;
  if (is_header || capture_ == Capture::stanza || (capture_ == Capture::tag && depth_ == 1)) captured_ += c;
  return true;
}

StanzaScanner::Piece StanzaScanner::next(std::string_view& bytes) {
  size_t at = 0;
  const size_t size = bytes.size();
  const char* data = bytes.data();
  const auto done = [&](Piece piece) {
    bytes.remove_prefix(at);
    return piece;
  };
  if (state_ == State::done) return fault_ == ScanFault::none ? Piece::end : Piece::fault;
  while (at < size) {
    // What fills stanzas is skipped in runs; nothing of it needs to be kept unless stanzas are.
    if ((state_ == State::text || state_ == State::single || state_ == State::twofold) && capture_ != Capture::stanza && depth_ > 1) {
      const uint8_t stop = state_ == State::text ? (illegal | less | ampersand) : static_cast<uint8_t>(illegal | less | ampersand | (state_ == State::single ? apostrophe : quote));
      size_t end = at;
      while (end < size && (class_of(data[end]) & stop) == 0) ++end;
      const size_t run = end - at;
      if (piece_bytes_ + run > limits_.stanza_bytes) {
        at = end;
        return done(fail(ScanFault::stanza_too_big));
      }
      piece_bytes_ += static_cast<uint32_t>(run);
      at = end;
      if (at == size) break;
    }
    const char c = data[at++];
    if (class_of(c) == illegal) return done(fail(ScanFault::not_well_formed));
    if (state_ == State::start || state_ == State::between) {
      if (is_space(c)) continue;
      if (c != '<') return done(fail(ScanFault::not_well_formed));
      if (state_ == State::between) captured_.clear();
    }
    if (!keep(c)) return done(fail(depth_ == 0 ? ScanFault::header_too_big : ScanFault::stanza_too_big));
    Piece piece = Piece::none;
    switch (state_) {
      case State::start:
      case State::between: state_ = State::open; break;
      case State::text:
        if (c == '<') state_ = State::open;
        else if (c == '&') state_ = State::reference, matched_ = 0;
        break;
      case State::open:
        if (begins_name(c)) state_ = State::name;
        else if (c == '/' && depth_ > 0) state_ = State::end_name, matched_ = 0;
        else if (c == '!') state_ = State::bang;
        else if (c == '?' && depth_ == 0 && !had_declaration_ && piece_bytes_ == 2) state_ = State::declaration, matched_ = 0, had_declaration_ = true;
        else return done(fail(c == '?' ? ScanFault::restricted_xml : ScanFault::not_well_formed));
        break;
      case State::declaration:
        // "<?xml ...?>": of processing instructions only this one is let through, and only in front.
        if (piece_bytes_ <= 2 + declaration_open.size()) {
          if (c != declaration_open[piece_bytes_ - 3]) return done(fail(ScanFault::restricted_xml));
        } else if (c == '?') {
          matched_ = 1;
        } else if (c == '>' && matched_ == 1) {
          state_ = State::start;
        } else {
          if (piece_bytes_ == 3 + declaration_open.size() && !is_space(c)) return done(fail(ScanFault::restricted_xml));
          matched_ = 0;
        }
        break;
      case State::name:
        if (is_space(c)) state_ = State::tag;
        else if (c == '>') piece = on_start_tag(false);
        else if (c == '/') state_ = State::slash;
        else if ((class_of(c) & (less | ampersand | quote | apostrophe | equals_sign)) != 0) return done(fail(ScanFault::not_well_formed));
        break;
      case State::tag:
        if (is_space(c)) break;
        if (c == '>') piece = on_start_tag(false);
        else if (c == '/') state_ = State::slash;
        else if (begins_name(c)) state_ = State::attribute;
        else return done(fail(ScanFault::not_well_formed));
        break;
      case State::attribute:
        if (c == '=') state_ = State::equals;
        else if ((class_of(c) & (less | ampersand | quote | apostrophe | slash_or_greater)) != 0) return done(fail(ScanFault::not_well_formed));
        break;
      case State::equals:
        if (c == '\'') state_ = State::single;
        else if (c == '"') state_ = State::twofold;
        else if (!is_space(c)) return done(fail(ScanFault::not_well_formed));
        break;
      case State::single:
      case State::twofold:
        if (c == (state_ == State::single ? '\'' : '"')) state_ = State::tag;
        else if (c == '&') state_ = state_ == State::single ? State::reference_in_single : State::reference_in_twofold, matched_ = 0;
        else if (c == '<') return done(fail(ScanFault::not_well_formed));
        break;
      case State::slash:
        if (c != '>') return done(fail(ScanFault::not_well_formed));
        piece = on_start_tag(true);
        break;
      case State::end_name:
        if (c == '>') {
          if (matched_ == 0) return done(fail(ScanFault::not_well_formed));
          piece = on_end_tag();
        } else if (matched_ == 0 ? !begins_name(c) : (class_of(c) & (less | ampersand | quote | apostrophe | equals_sign | slash_or_greater)) != 0) {
          return done(fail(ScanFault::not_well_formed));
        } else {
          matched_ = 1;
        }
        break;
      case State::bang:
        if (c != '[' || depth_ < 2) return done(fail(ScanFault::restricted_xml));  // a comment or DOCTYPE
        state_ = State::cdata_head;
        matched_ = 1;
        break;
      case State::cdata_head:
        if (c != cdata_open[matched_]) return done(fail(ScanFault::not_well_formed));
        if (++matched_ == cdata_open.size()) state_ = State::cdata, matched_ = 0;
        break;
      case State::cdata:
        if (c == ']') matched_ = matched_ < 2 ? static_cast<uint8_t>(matched_ + 1) : uint8_t{2};
        else if (c == '>' && matched_ == 2) state_ = State::text;
        else matched_ = 0;
        break;
      case State::reference:
      case State::reference_in_single:
      case State::reference_in_twofold:
        if (c != ';') {
          if (c == '0' && (std::string_view(reference_, matched_) == "#" || std::string_view(reference_, matched_) == "#x")) break;
          // Without leading zeros none is longer than "#1114111".
          if (matched_ == sizeof reference_) return done(fail(ScanFault::restricted_xml));
          reference_[matched_++] = c;
          break;
        }
        if (!is_predefined({reference_, matched_})) return done(fail(ScanFault::restricted_xml));
        state_ = state_ == State::reference ? State::text : state_ == State::reference_in_single ? State::single : State::twofold;
        break;
      case State::done: break;
    }
    if (piece != Piece::none) return done(piece);
  }
  return done(Piece::none);
}

}  // namespace sallyport::xmpp
