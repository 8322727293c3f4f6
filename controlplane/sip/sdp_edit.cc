// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/sdp_edit.h"

#include <charconv>

namespace sallyport::sip {
namespace {

constexpr std::string_view line_end = "\r\n";

std::string_view family_of(std::string_view address) {
  return address.find(':') == std::string_view::npos ? "IN IP4 " : "IN IP6 ";
}

}  // namespace

void SdpEdit::reset(const Sdp& sdp) {
  sdp_ = &sdp;
  splice_.reset(sdp.text());
}

void SdpEdit::replace(const SdpLine& line, Parts text) {
  splice_.replace(line.begin, line.end, text, line_end);
}

void SdpEdit::remove(const SdpLine& line) {
  splice_.remove(line.begin, line.end);
}

void SdpEdit::replace_part(std::string_view part, std::string_view text) {
  const std::uint32_t begin = sdp_->offset(part);
  splice_.replace(begin, begin + static_cast<std::uint32_t>(part.size()), {text});
}

// A description may lack the line end of its last line.
void SdpEdit::append_at(std::uint32_t at, Parts text) {
  const bool is_open = at != 0 && sdp_->text()[at - 1] != '\n';
  splice_.insert_below(at, text, is_open ? line_end : "", is_open ? "" : line_end);
}

void SdpEdit::append_session(Parts text) {
  const auto lines = sdp_->session_lines();
  append_at(lines.empty() ? 0 : lines.back().end, text);
}

void SdpEdit::append(const SdpMedia& media, Parts text) {
  append_at(sdp_->lines(media).back().end, text);
}

void SdpEdit::insert_after(const SdpLine& line, std::string_view text) {
  append_at(line.end, {text});
}

void SdpEdit::set_port(const SdpMedia& media, std::uint16_t port) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, port).ptr;
  replace_part(media.port_text, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

void SdpEdit::set_connection(const SdpMedia& media, std::string_view address) {
  const Parts value = {"c=", family_of(address), address};
  const SdpLine* own = nullptr;
  for (const SdpLine& line : sdp_->lines(media)) {
    if (line.type != 'c') continue;
    // Several c= lines name several multicast layers; one address of ours stands for all.
    if (own != nullptr) {
      remove(line);
    } else {
      own = &line;
      replace(line, value);
    }
  }
  if (own != nullptr) return;
  // RFC 8866 5: c= stands behind m= and i=.
  const auto lines = sdp_->lines(media);
  const bool has_title = lines.size() > 1 && lines[1].type == 'i';
  append_at(lines[has_title ? 1 : 0].end, value);
}

void SdpEdit::set_session_connection(std::string_view address) {
  if (const SdpLine* line = find_line(sdp_->session_lines(), 'c')) replace(*line, {"c=", family_of(address), address});
}

void SdpEdit::remove_attributes(const SdpMedia& media, std::string_view name) {
  for (const SdpLine& line : sdp_->lines(media)) {
    if (line.type == 'a' && line.name == name) remove(line);
  }
}

std::string SdpEdit::serialise() const {
  std::string out;
  serialise(out);
  return out;
}

}  // namespace sallyport::sip
