// SPDX-License-Identifier: Apache-2.0
#pragma once
// Edit: the changes a proxy makes to a message it forwards, recorded over a Message and applied in one pass by
// serialise(). Everything not named stays byte for byte and in order (architecture: forwarding with minimal change).
// The Message and its buffer must outlive it; texts passed in are copied. Re-use with reset(). Values passed in must be
// free of CR and LF: they are written as they are.

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/sip/header_values.h"
#include "controlplane/sip/message.h"
#include "controlplane/sip/splice.h"

namespace sallyport::sip {

class Edit {
 public:
  using Parts = Splice::Parts;

  explicit Edit(const Message& message) { reset(message); }
  void reset(const Message& message);
  const Message& message() const { return *message_; }

  // Strict routers only (RFC 3261 16.6): the proxy otherwise leaves the Request-URI alone.
  void replace_request_uri(std::string_view uri);

  // "Name: value" above the first header of that id; if there is none, below the Via block (Via itself: on top).
  // Called twice, the later one stands above the earlier: push in the order in which a stack grows.
  void push_front(HeaderId id, std::string_view value) { push_front(id, Parts{value}); }
  void push_front(HeaderId id, Parts value);
  // Below the last header of that id; if there is none, behind the last header.
  void push_back(HeaderId id, std::string_view value) { push_back(id, Parts{value}); }
  void push_back(HeaderId id, Parts value);
  // Behind the last header, for names outside the table.
  void append(std::string_view name, std::string_view value);

  // The whole value of one line, all its comma-separated values included.
  void replace(const Header& header, std::string_view value);
  // Replaces the first line of that id and removes its others, or appends it.
  void set(HeaderId id, std::string_view value);
  void remove(const Header& header);
  void remove_all(HeaderId id);

  // One value of a line that may hold several: commas are set right; the line goes with its last value.
  void replace(const HeaderValue& value, std::string_view text);
  void remove(const HeaderValue& value);

  // Any part of the message's head, given as the view the parser returned (a URI, a Param::whole ...).
  void replace_part(std::string_view part, std::string_view text) { replace_part(part, Parts{text}); }
  void replace_part(std::string_view part, Parts text);
  void insert_after(std::string_view part, std::string_view text) { insert_after(part, Parts{text}); }
  void insert_after(std::string_view part, Parts text);

  // Content-Length is corrected or added. An empty content_type keeps the present one; an empty body drops
  // Content-Type.
  void replace_body(std::string_view body, std::string_view content_type = {});
  // A part of the body, as returned by find_sdp(): multipart bodies keep their other parts.
  void replace_body_part(std::string_view part, std::string_view text);

  bool is_untouched() const { return splice_.is_untouched(); }
  // Appends the edited message to out.
  void serialise(std::string& out) const { splice_.serialise(out); }
  std::string serialise() const;

 private:
  void correct_content_length();
  void cut_removed_values(const Header& header);
  std::uint32_t front_of(HeaderId id) const;

  const Message* message_ = nullptr;
  Splice splice_;
  std::vector<std::string_view> removed_values_;  // views of values already removed, to know when a line has none left
  struct AddedLine {
    HeaderId id;
    std::int32_t insertion;
  };
  std::vector<AddedLine> added_lines_;  // by set(), so that setting one again rewrites it
};

}  // namespace sallyport::sip
