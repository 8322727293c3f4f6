// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/sdp.h"

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

// Cuts the next word off; words are separated by blanks.
std::string_view take_word(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  std::size_t end = text.find(' ');
  if (end == std::string_view::npos) end = text.size();
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// m=<media> <port>["/" <count>] <proto> <fmt> ...
bool read_media(std::string_view value, SdpMedia& media) {
  media.kind = take_word(value);
  media.port_text = take_word(value);
  media.protocol = take_word(value);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  media.formats = value;
  const std::size_t slash = media.port_text.find('/');
  const auto port = parse_number(media.port_text.substr(0, slash), 65535);
  if (media.kind.empty() || media.protocol.empty() || !port) return false;
  media.port = static_cast<std::uint16_t>(*port);
  if (slash == std::string_view::npos) return true;
  const auto count = parse_number(media.port_text.substr(slash + 1), 65535);
  if (!count || *count == 0) return false;
  media.port_count = static_cast<std::uint16_t>(*count);
  return true;
}

// Fills the element in place: a copy of one just written would wait for its stores.
void cut_line(std::string_view text, std::uint32_t begin, SdpLine& line) {
  line.begin = begin;
  const char* data = text.data() + begin;
  const std::size_t left = text.size() - begin;
  const char* const data_end = data + left;
  const char* stop = find_control(data, data_end);
  while (stop != data_end && *stop != '\n') {
    // Nearly always CR, then LF: no second scan for that.
    stop = stop + 1 != data_end && stop[1] == '\n' ? stop + 1 : find_control(stop + 1, data_end);
  }
  std::size_t length = static_cast<std::size_t>(stop - data);
  line.end = begin + static_cast<std::uint32_t>(stop == data_end ? left : length + 1);
  if (length != 0 && data[length - 1] == '\r') --length;
  if (length < 2 || data[1] != '=') {
    line.value = std::string_view(data, length);
    return;
  }
  line.type = data[0];
  line.value = std::string_view(data + 2, length - 2);
  if (line.type == 'a') {
    std::size_t colon = 0;  // names are short: cheaper than any search
    while (colon < line.value.size() && line.value[colon] != ':') ++colon;
    line.name = line.value.substr(0, colon);
    if (colon < line.value.size()) line.content = line.value.substr(colon + 1);
  }
}

// IN IP4 192.0.2.1/127/3
std::optional<SdpConnection> read_connection(const SdpLine* line) {
  if (line == nullptr) return std::nullopt;
  std::string_view rest = line->value;
  SdpConnection result;
  const std::string_view network = take_word(rest), family = take_word(rest), address = take_word(rest);
  if (network != "IN" || (family != "IP4" && family != "IP6") || address.empty()) return std::nullopt;
  result.address = address.substr(0, address.find('/'));
  result.is_ipv6 = family == "IP6";
  result.line = line;
  return result;
}

std::optional<Direction> direction_of(std::span<const SdpLine> lines) {
  for (const SdpLine& line : lines) {
    if (line.type != 'a' || line.name.size() != line.value.size()) continue;
    for (const Direction d : {Direction::sendrecv, Direction::sendonly, Direction::recvonly, Direction::inactive}) {
      if (line.name == direction_text(d)) return d;
    }
  }
  return std::nullopt;
}

// RFC 3551 6, tables 4 and 5.
std::optional<std::uint32_t> static_clock_rate_hz(std::uint8_t payload_type) {
  switch (payload_type) {
    case 0:
    case 3:
    case 4:
    case 5:
    case 7:
    case 8:
    case 9:
    case 12:
    case 13:
    case 15:
    case 18:
      return 8000;
    case 6:
      return 16000;
    case 10:
    case 11:
      return 44100;
    case 16:
      return 11025;
    case 17:
      return 22050;
    case 14:
    case 25:
    case 26:
    case 28:
    case 31:
    case 32:
    case 33:
    case 34:
      return 90000;
    default:
      return std::nullopt;
  }
}

}  // namespace

Verdict parse_sdp(std::string_view text, Sdp& out) {
  out.text_ = text;
  out.lines_.clear();
  out.media_.clear();
  if (text.size() > max_sdp_bytes) return {413, "Session description too large"};
  if (text.find('\0') != std::string_view::npos) return {400, "NUL in session description"};
  for (std::uint32_t at = 0; at < text.size();) {
    if (out.lines_.size() == max_sdp_lines) return {488, "Too many lines in session description"};
    SdpLine& line = out.lines_.emplace_back();
    cut_line(text, at, line);
    at = line.end;
    if (line.type != 'm') continue;
    if (out.media_.size() == max_sdp_media) return {488, "Too many media descriptions"};
    SdpMedia& media = out.media_.emplace_back();
    if (!read_media(line.value, media)) return {400, "Malformed media description"};
    media.first_line = static_cast<std::uint16_t>(out.lines_.size() - 1);
    if (out.media_.size() > 1) out.media_[out.media_.size() - 2].end_line = media.first_line;
  }
  if (!out.media_.empty()) out.media_.back().end_line = static_cast<std::uint16_t>(out.lines_.size());
  // RFC 8866 5: v= comes first. RFC 4475 3.4.1 shows old peers that leave it out, so any type will do, but a type there
  // must be.
  if (out.lines_.empty() || out.lines_.front().type == 0) return {400, "Not a session description"};
  return {};
}

std::span<const SdpLine> Sdp::session_lines() const {
  return std::span(lines_).first(media_.empty() ? lines_.size() : media_.front().first_line);
}

std::span<const SdpLine> Sdp::lines(const SdpMedia& media) const {
  return std::span(lines_).subspan(media.first_line, media.end_line - media.first_line);
}

const SdpLine* find_attribute(std::span<const SdpLine> lines, std::string_view name) {
  for (const SdpLine& line : lines) {
    if (line.type == 'a' && line.name == name) return &line;
  }
  return nullptr;
}

const SdpLine* find_line(std::span<const SdpLine> lines, char type) {
  for (const SdpLine& line : lines) {
    if (line.type == type) return &line;
  }
  return nullptr;
}

const SdpLine* effective_attribute(const Sdp& sdp, const SdpMedia& media, std::string_view name) {
  if (const SdpLine* own = find_attribute(sdp.lines(media), name)) return own;
  return find_attribute(sdp.session_lines(), name);
}

std::optional<SdpConnection> connection(const Sdp& sdp, const SdpMedia& media) {
  if (const SdpLine* own = find_line(sdp.lines(media), 'c')) return read_connection(own);
  return session_connection(sdp);
}

std::optional<SdpConnection> session_connection(const Sdp& sdp) {
  return read_connection(find_line(sdp.session_lines(), 'c'));
}

Direction direction(const Sdp& sdp, const SdpMedia& media) {
  if (const auto own = direction_of(sdp.lines(media))) return *own;
  return direction_of(sdp.session_lines()).value_or(Direction::sendrecv);
}

std::string_view direction_text(Direction direction) {
  constexpr std::string_view names[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
  return names[static_cast<std::size_t>(direction)];
}

bool is_held(const Sdp& sdp, const SdpMedia& media) {
  const Direction towards = direction(sdp, media);
  if (towards == Direction::sendonly || towards == Direction::inactive) return true;
  const auto address = connection(sdp, media);
  return address && (address->address == "0.0.0.0" || address->address == "::");
}

bool is_srtp(const SdpMedia& media) {
  return media.protocol.ends_with("RTP/SAVP") || media.protocol.ends_with("RTP/SAVPF");
}

bool is_rtp(const SdpMedia& media) {
  return media.protocol.starts_with("RTP/") || media.protocol.find("/RTP/") != std::string_view::npos;
}

bool has_rtcp_mux(const Sdp& sdp, const SdpMedia& media) {
  return find_attribute(sdp.lines(media), "rtcp-mux") != nullptr;
}

std::optional<SdpRtcp> rtcp(const Sdp& sdp, const SdpMedia& media) {
  const SdpLine* line = find_attribute(sdp.lines(media), "rtcp");
  if (line == nullptr) return std::nullopt;
  std::string_view rest = line->content;
  const auto port = parse_number(take_word(rest), 65535);
  if (!port) return std::nullopt;
  SdpRtcp result;
  result.port = static_cast<std::uint16_t>(*port);
  take_word(rest);  // IN
  take_word(rest);  // IP4 or IP6
  result.address = take_word(rest);
  return result;
}

std::optional<std::uint32_t> clock_rate_hz(const Sdp& sdp, const SdpMedia& media, std::uint8_t payload_type) {
  for (const SdpLine& line : sdp.lines(media)) {
    if (line.type != 'a' || line.name != "rtpmap") continue;
    std::string_view rest = line.content;
    if (parse_number(take_word(rest), 127) != payload_type) continue;
    std::string_view encoding = take_word(rest);
    const std::size_t slash = encoding.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    encoding.remove_prefix(slash + 1);
    return parse_number(encoding.substr(0, encoding.find('/')));
  }
  return static_clock_rate_hz(payload_type);
}

std::size_t payload_types(const SdpMedia& media, std::span<std::uint8_t> out) {
  std::size_t count = 0;
  std::string_view rest = media.formats;
  while (count < out.size()) {
    const std::string_view word = take_word(rest);
    if (word.empty()) break;
    if (const auto type = parse_number(word, 127)) out[count++] = static_cast<std::uint8_t>(*type);
  }
  return count;
}

std::optional<std::uint32_t> ptime_ms(const Sdp& sdp, const SdpMedia& media) {
  const SdpLine* line = find_attribute(sdp.lines(media), "ptime");
  return line == nullptr ? std::nullopt : parse_number(line->content, 10000);
}

std::string_view mid(const Sdp& sdp, const SdpMedia& media) {
  const SdpLine* line = find_attribute(sdp.lines(media), "mid");
  return line == nullptr ? std::string_view() : line->content;
}

std::optional<SdpCandidate> parse_candidate(const SdpLine& line) {
  if (line.name != "candidate") return std::nullopt;
  std::string_view rest = line.content;
  SdpCandidate candidate;
  candidate.foundation = take_word(rest);
  const auto component = parse_number(take_word(rest), 256);
  candidate.transport = take_word(rest);
  const auto priority = parse_number(take_word(rest));
  candidate.address = take_word(rest);
  const auto port = parse_number(take_word(rest), 65535);
  if (!component || !priority || !port || take_word(rest) != "typ") return std::nullopt;
  candidate.type = take_word(rest);
  if (candidate.type.empty()) return std::nullopt;
  candidate.component = *component;
  candidate.priority = *priority;
  candidate.port = static_cast<std::uint16_t>(*port);
  for (std::string_view name = take_word(rest); !name.empty(); name = take_word(rest)) {
    const std::string_view value = take_word(rest);
    if (name == "raddr") candidate.related_address = value;
    if (name == "rport") candidate.related_port = static_cast<std::uint16_t>(parse_number(value, 65535).value_or(0));
  }
  return candidate;
}

std::optional<SdpCrypto> parse_crypto(const SdpLine& line) {
  if (line.name != "crypto") return std::nullopt;
  std::string_view rest = line.content;
  const std::string_view tag_text = take_word(rest);
  // RFC 4568 9.1: tag = 1*9DIGIT
  const auto tag = parse_number(tag_text, 999'999'999);
  SdpCrypto crypto;
  crypto.suite = take_word(rest);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  if (!tag || tag_text.size() > 9 || !is_token(crypto.suite) || rest.empty()) return std::nullopt;
  crypto.tag = *tag;
  crypto.unread = rest;
  return crypto;
}

}  // namespace sallyport::sip
