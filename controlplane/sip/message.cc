// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/message.h"

#include <cstring>

#include "controlplane/sip/cseq.h"
#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
class MessageParser {
 public:
  MessageParser(std::string_view text, Message& out) : out_(out), at_(text.data()), end_(at_ + text.size()) {
    out_.clear();
    out_.text_ = text;
  }
  Verdict parse();

 private:
  // Cuts the line at at_, without its CRLF; nullptr data if it never ends or holds what no line may hold.
  inline bool take_line(std::string_view& line);
  bool start_line(std::string_view line);
  bool request_line(std::string_view line);
  bool status_line(std::string_view line);
  bool header_lines();
  bool header_field(const char* begin);
  void add(HeaderId id, std::string_view name, std::string_view value, const char* begin);
  bool body();
  bool fail(std::uint16_t status, std::string_view reason) {
    if (verdict_.ok()) verdict_ = {status, reason};
    return false;
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(at_ - out_.text_.data()); }

  Message& out_;
  const char* at_;
  const char* end_;
  Verdict verdict_;
};

bool MessageParser::take_line(std::string_view& line) {
  const char* begin = at_;
  for (const char* stop = at_;;) {
    stop = find_control(stop, end_);
    if (stop == end_) return fail(400, "Truncated header section");
    if (*stop == '\r' && stop + 1 != end_ && stop[1] == '\n') {
      line = std::string_view(begin, static_cast<std::size_t>(stop - begin));
      at_ = stop + 2;
      return true;
    }
    // RFC 3261 25.1 quoted-pair: any control but CR and LF may be escaped inside a quoted string.
    if (*stop == '\r' || *stop == '\n') return fail(400, "Bare CR or LF");
    if (stop == begin || stop[-1] != '\\') return fail(400, "Control character in header section");
    ++stop;
  }
}

bool MessageParser::request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last == first) return fail(400, "Malformed request line");
  const std::string_view method = line.substr(0, first);
  const std::string_view uri = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  // A line without any SIP version is no request at all: there is nothing that could be answered.
  if (!is_token(method) || version.size() < 4 || !equals_ignoring_case(version.substr(0, 4), "SIP/")) {
    // RFC 4475 3.1.2.11: blanks behind the version still leave a request that deserves its 400.
    if (!is_token(method) || line.find("SIP/") == std::string_view::npos) return fail(400, "Malformed request line");
  }
  out_.kind_ = Message::Kind::request;
  out_.method_text_ = method;
  out_.method_ = method_of(method);
  out_.request_uri_ = uri;
  if (uri.empty() || uri.find_first_of(" \t<>\"") != std::string_view::npos) fail(400, "Malformed Request-URI");
  if (version.size() < 4) {
    fail(400, "Malformed request line");
  } else if (!equals_ignoring_case(version, "SIP/2.0")) {
    fail(505, "Version Not Supported");
  }
  return true;
}

bool MessageParser::status_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return fail(400, "Malformed status line");
  const std::string_view code = line.substr(space + 1, line.find(' ', space + 1) - space - 1);
  const auto status = parse_number(code, 699);
  out_.kind_ = Message::Kind::response;
  if (code.size() == 3 && status && *status >= 100) {
    out_.status_ = static_cast<int>(*status);
  } else {
    fail(400, "Malformed status code");
  }
  const std::size_t reason = space + 1 + code.size();
  out_.reason_ = reason < line.size() ? line.substr(reason + 1) : line.substr(line.size());
  if (!equals_ignoring_case(line.substr(0, space), "SIP/2.0")) fail(505, "Version Not Supported");
  return true;
}

bool MessageParser::start_line(std::string_view line) {
  if (line.size() >= 4 && equals_ignoring_case(line.substr(0, 4), "SIP/")) return status_line(line);
  return request_line(line);
}

void MessageParser::add(HeaderId header_id, std::string_view name, std::string_view value, const char* begin) {
  const auto index = static_cast<std::uint16_t>(out_.headers_.size());
  Header& header =
      out_.headers_.emplace_back();  // filled in place: a copy of one just written would wait for its stores
  header.name = name;
  header.value = value;
  header.begin = static_cast<std::uint32_t>(begin - out_.text_.data());
  header.end = here();
  header.id = header_id;
  const auto id = static_cast<std::size_t>(header.id);
  if (out_.first_[id] == no_header) {
    out_.first_[id] = index;
  } else {
    out_.headers_[out_.last_[id]].next = index;
  }
  out_.last_[id] = index;
}

// One field with its continuation lines; at_ moves behind it. False: no sense in going on.
bool MessageParser::header_field(const char* begin) {
  std::string_view line;
  if (!take_line(line)) return false;
  const char* value_end = line.data() + line.size();
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) {
    std::string_view continuation;
    if (!take_line(continuation)) return false;
    value_end = continuation.data() + continuation.size();
  }
  if (out_.headers_.size() >= max_headers) return fail(513, "Too many header fields");
  const char* colon = find_near(begin, line.data() + line.size(), ':');
  const char* name_end = colon;
  while (name_end != begin && (name_end[-1] == ' ' || name_end[-1] == '\t')) --name_end;
  const std::string_view name(begin, static_cast<std::size_t>(name_end - begin));
  const HeaderId id = header_id(name);
  // A name of the table is a token; only others need to be looked at.
  if (colon == line.data() + line.size() || (id == HeaderId::unknown && !is_token(name))) {
    fail(400, "Malformed header field");
    return true;  // the fields behind it may still allow an answer
  }
  add(id, name, trim(std::string_view(colon + 1, static_cast<std::size_t>(value_end - colon - 1))), begin);
  return true;
}

bool MessageParser::header_lines() {
  out_.headers_begin_ = out_.headers_end_ = here();
  if (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) fail(400, "Folded start line");
  for (;;) {
    out_.headers_end_ = here();
    if (end_ - at_ >= 2 && at_[0] == '\r' && at_[1] == '\n') {
      at_ += 2;
      return true;
    }
    if (!header_field(at_)) return false;
  }
}

bool MessageParser::body() {
  const auto present = static_cast<std::size_t>(end_ - at_);
  std::size_t length = present;
  if (const Header* header = out_.first(HeaderId::content_length)) {
    const auto declared = parse_number(header->value, max_message_bytes);
    if (!declared) {
      fail(400, "Malformed Content-Length");
    } else if (*declared > present) {
      fail(400, "Content-Length beyond the end of the message");  // RFC 3261 18.3
    } else {
      length = *declared;
    }
    if (header->next != no_header) fail(400, "Repeated Content-Length");
  }
  out_.body_ = std::string_view(at_, length);
  out_.text_ = out_.text_.substr(0, here() + length);
  return verdict_.ok();
}

Verdict MessageParser::parse() {
  if (out_.text_.size() > max_message_bytes) {
    fail(513, "Message Too Large");
    return verdict_;
  }
  // RFC 3261 7.5: CRLFs before the start line are ignored.
  while (end_ - at_ >= 2 && at_[0] == '\r' && at_[1] == '\n') at_ += 2;
  out_.text_ = std::string_view(at_, static_cast<std::size_t>(end_ - at_));
  std::string_view line;
  if (!take_line(line) || !start_line(line)) return verdict_;
  if (header_lines()) body();
  if (out_.kind_ == Message::Kind::response) {
    if (const auto cseq = parse_cseq(out_.value(HeaderId::cseq))) {
      out_.method_ = cseq->method;
      out_.method_text_ = cseq->method_text;
    }
  }
  return verdict_;
}

void Message::clear() {
  text_ = method_text_ = request_uri_ = reason_ = body_ = {};
  headers_begin_ = headers_end_ = 0;
  status_ = 0;
  kind_ = Kind::none;
  method_ = Method::other;
  first_.fill(no_header);
  headers_.clear();
  from_.state = to_.state = Party::State::unknown;
}

const Header* Message::first(HeaderId id) const {
  if (id == HeaderId::unknown) return nullptr;
  const std::uint16_t index = first_[static_cast<std::size_t>(id)];
  return index == no_header ? nullptr : &headers_[index];
}

const Header* Message::next(const Header& header) const {
  return header.next == no_header || header.id == HeaderId::unknown ? nullptr : &headers_[header.next];
}

const Header* Message::last(HeaderId id) const {
  return first(id) == nullptr ? nullptr : &headers_[last_[static_cast<std::size_t>(id)]];
}

const Header* Message::find(std::string_view name) const {
  for (const Header& header : headers_) {
    if (equals_ignoring_case(header.name, name)) return &header;
  }
  return nullptr;
}

std::size_t Message::count(HeaderId id) const {
  std::size_t lines = 0;
  for (const Header* header = first(id); header != nullptr; header = next(*header)) ++lines;
  return lines;
}

std::string_view Message::value(HeaderId id) const {
  const Header* header = first(id);
  return header == nullptr ? std::string_view() : header->value;
}

const NameAddr* Message::party(HeaderId id, Party& kept) const {
  if (kept.state == Party::State::unknown) {
    const bool valid = parse_name_addr(value(id), kept.address) && !kept.address.is_star;
    kept.state = valid ? Party::State::valid : Party::State::invalid;
  }
  return kept.state == Party::State::valid ? &kept.address : nullptr;
}

Verdict parse(std::string_view text, Message& out) {
  return MessageParser(text, out).parse();
}

StoredMessage::StoredMessage(std::string_view text) : bytes_(new char[text.size() + 1]) {
  std::memcpy(bytes_.get(), text.data(), text.size());
  verdict_ = parse(std::string_view(bytes_.get(), text.size()), message_);
}

}  // namespace sallyport::sip
