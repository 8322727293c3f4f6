// SPDX-License-Identifier: Apache-2.0
#pragma once
// Message: a parsed SIP message as views over a buffer that the caller owns and keeps unchanged as long as the Message
// is used. Re-use one Message for many parses: the header vector is the only allocation and is kept. No thread may
// share one: it parses parts at the first question. parse() is one pass, never allocates per header, and on failure leaves whatever it
// understood, so that an answer can be built. StoredMessage owns its bytes: what transactions keep.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/header.h"
#include "controlplane/sip/method.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/verdict.h"

namespace sallyport::sip {

constexpr std::size_t max_headers = 256;
constexpr std::size_t max_message_bytes = 16u << 20;

class Message {
 public:
  enum class Kind : std::uint8_t { none, request, response };

  Message() { clear(); }

  Kind kind() const { return kind_; }
  bool is_request() const { return kind_ == Kind::request; }
  bool is_response() const { return kind_ == Kind::response; }

  // Start line to end of body; bytes behind Content-Length are not part of it.
  std::string_view text() const { return text_; }
  // Request: from the request line. Response: from CSeq (other/"" if that is malformed).
  Method method() const { return method_; }
  std::string_view method_text() const { return method_text_; }
  std::string_view request_uri() const { return request_uri_; }
  int status() const { return status_; }
  std::string_view reason() const { return reason_; }

  std::span<const Header> headers() const { return headers_; }
  // First header field of that id or nullptr; constant time. `unknown` is never found this way.
  const Header* first(HeaderId id) const;
  const Header* next(const Header& header) const;
  const Header* last(HeaderId id) const;
  // By name, for headers outside the table; case-insensitive, linear.
  const Header* find(std::string_view name) const;
  bool has(HeaderId id) const { return first(id) != nullptr; }
  std::size_t count(HeaderId id) const;
  // Value of the first header field of that id, "" if absent.
  std::string_view value(HeaderId id) const;
  // From and To as parsed at the first question, for nearly every stage asks; nullptr if absent, malformed or "*".
  const NameAddr* from() const { return party(HeaderId::from, from_); }
  const NameAddr* to() const { return party(HeaderId::to, to_); }
  // RFC 3261 12.2: the To tag says that the request belongs to a dialog.
  bool is_in_dialog() const { return to() != nullptr && !to()->tag().empty(); }

  std::string_view body() const { return body_; }
  // Offset in text() of the first header and of the empty line behind the last one.
  std::uint32_t headers_begin() const { return headers_begin_; }
  std::uint32_t headers_end() const { return headers_end_; }
  // Offset in text() of a view that points into it.
  std::uint32_t offset(std::string_view part) const { return static_cast<std::uint32_t>(part.data() - text_.data()); }
  void clear();

 private:
  friend class MessageParser;
  static constexpr std::size_t ids = static_cast<std::size_t>(HeaderId::count_);
  struct Party {
    enum class State : std::uint8_t { unknown, valid, invalid } state = State::unknown;
    NameAddr address;
  };
  const NameAddr* party(HeaderId id, Party& kept) const;

  std::string_view text_, method_text_, request_uri_, reason_, body_;
  std::uint32_t headers_begin_ = 0, headers_end_ = 0;
  int status_ = 0;
  Kind kind_ = Kind::none;
  Method method_ = Method::other;
  std::array<std::uint16_t, ids> first_;  // index into headers_, or no_header
  std::array<std::uint16_t, ids> last_;   // meaningful where first_ is set
  std::vector<Header> headers_;
  mutable Party from_, to_;
};

// Syntax only: start line, header lines, folding, Content-Length against the bytes present. `text` is one whole message
// (a datagram, or what Framer cut out); without Content-Length the body is the rest. CRLF only: bare CR, LF or NUL is
// refused. The first error is returned, 505 for another SIP version, 513 for limits, else 400; kind() stays none if
// even the start line is hopeless, then nothing can be answered.
Verdict parse(std::string_view text, Message& out);

class StoredMessage {
 public:
  StoredMessage() = default;
  // Precondition: parse() accepted that text, or would; see verdict().
  explicit StoredMessage(std::string_view text);
  StoredMessage(StoredMessage&&) = default;
  StoredMessage& operator=(StoredMessage&&) = default;

  const Message& message() const { return message_; }
  const Message& operator*() const { return message_; }
  const Message* operator->() const { return &message_; }
  std::string_view text() const { return message_.text(); }
  Verdict verdict() const { return verdict_; }

 private:
  std::unique_ptr<char[]> bytes_;  // heap, so that views survive a move
  Message message_;
  Verdict verdict_;
};

}  // namespace sallyport::sip
