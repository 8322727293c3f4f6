// SPDX-License-Identifier: Apache-2.0
#pragma once
// SdpEdit: line edits over a parsed Sdp, applied in one pass; untouched lines stay byte for byte. The Sdp and its text
// must outlive it. Lines are given without line end ("a=rtcp-mux"); CRLF is added. Re-use with reset().

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/sip/sdp.h"
#include "controlplane/sip/splice.h"

namespace sallyport::sip {

class SdpEdit {
 public:
  using Parts = Splice::Parts;

  explicit SdpEdit(const Sdp& sdp) { reset(sdp); }
  void reset(const Sdp& sdp);

  void replace(const SdpLine& line, std::string_view text) { replace(line, Parts{text}); }
  void replace(const SdpLine& line, Parts text);
  void remove(const SdpLine& line);
  // A part of a line as the parser returned it: media.port_text, media.protocol, connection.address ...
  void replace_part(std::string_view part, std::string_view text);
  // Behind the last line of the session section or of a media section, in the order of the calls.
  void append_session(std::string_view text) { append_session(Parts{text}); }
  void append_session(Parts text);
  void append(const SdpMedia& media, std::string_view text) { append(media, Parts{text}); }
  void append(const SdpMedia& media, Parts text);
  // Directly behind one line.
  void insert_after(const SdpLine& line, std::string_view text);

  // m= port and c= address of one media section: port_text becomes `port`, a c= line of its own is replaced or one is
  // added.
  void set_port(const SdpMedia& media, std::uint16_t port);
  void set_connection(const SdpMedia& media, std::string_view address);  // numeric, IPv6 without brackets
  // Session-level c=, if there is one; nothing is added where the session has none.
  void set_session_connection(std::string_view address);
  void remove_attributes(const SdpMedia& media, std::string_view name);

  bool is_untouched() const { return splice_.is_untouched(); }
  void serialise(std::string& out) const { splice_.serialise(out); }
  std::string serialise() const;

 private:
  void append_at(std::uint32_t at, Parts text);
  const Sdp* sdp_ = nullptr;
  Splice splice_;
};

}  // namespace sallyport::sip
