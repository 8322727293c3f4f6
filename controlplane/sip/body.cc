// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/body.h"

#include <string>

#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

constexpr int max_nesting = 2;
constexpr std::size_t max_parts = 32;

std::optional<std::string_view> find_in(std::string_view type_text, std::string_view body, int nesting);

bool is_encoding(std::string_view transfer_encoding) {
  return equals_ignoring_case(transfer_encoding, "base64") ||
         equals_ignoring_case(transfer_encoding, "quoted-printable");
}

// A body part: its own header lines, an empty line, content.
std::optional<std::string_view> find_in_part(std::string_view part, int nesting) {
  std::string_view type_text;
  while (!part.empty()) {
    const std::size_t end = part.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = part.substr(0, end);
    part.remove_prefix(end + 2);
    if (line.empty()) return find_in(type_text, part, nesting);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trim(line.substr(0, colon));
    if (equals_ignoring_case(name, "Content-Type") || equals_ignoring_case(name, "c")) {
      type_text = trim(line.substr(colon + 1));
    }
    // An encoded part is not text that could be edited in place.
    if (equals_ignoring_case(name, "Content-Transfer-Encoding") && is_encoding(trim(line.substr(colon + 1)))) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// RFC 2046 5.1.1: parts stand between lines "--boundary"; the CRLF in front of such a line belongs to it.
std::optional<std::string_view> find_in_multipart(std::string_view boundary, std::string_view body, int nesting) {
  const std::string delimiter = "--" + unquote(boundary);
  if (delimiter.size() == 2 || delimiter.size() > 72) return std::nullopt;
  std::size_t at = body.starts_with(delimiter) ? 0 : body.find("\r\n" + delimiter);
  if (at == std::string_view::npos) return std::nullopt;
  if (at != 0) at += 2;
  const std::string inner = "\r\n" + delimiter;
  for (std::size_t parts = 0; parts < max_parts; ++parts) {
    const std::size_t line_end = body.find("\r\n", at);
    if (line_end == std::string_view::npos) return std::nullopt;
    if (body.substr(at + delimiter.size()).starts_with("--")) return std::nullopt;
    // The delimiter that follows an empty part begins with this line's own CRLF.
    const std::size_t next = body.find(inner, line_end);
    if (next == std::string_view::npos) return std::nullopt;
    const std::size_t begin = line_end + 2;
    if (next >= begin) {
      if (const auto found = find_in_part(body.substr(begin, next - begin), nesting)) return found;
    }
    at = next + 2;
  }
  return std::nullopt;
}

std::optional<std::string_view> find_in(std::string_view type_text, std::string_view body, int nesting) {
  const auto type = parse_content_type(type_text);
  if (!type || body.empty()) return std::nullopt;
  if (type->is("application", "sdp")) return body;
  if (!equals_ignoring_case(type->type, "multipart") || nesting == 0) return std::nullopt;
  return find_in_multipart(type->params.value("boundary"), body, nesting - 1);
}

}  // namespace

bool ContentType::is(std::string_view wanted_type, std::string_view wanted_subtype) const {
  return equals_ignoring_case(type, wanted_type) && equals_ignoring_case(subtype, wanted_subtype);
}

std::optional<ContentType> parse_content_type(std::string_view value) {
  const std::size_t semicolon = value.find(';');
  const std::string_view media = value.substr(0, semicolon);
  const std::size_t slash = media.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  ContentType result;
  result.type = trim(media.substr(0, slash));
  result.subtype = trim(media.substr(slash + 1));
  if (!is_token(result.type) || !is_token(result.subtype)) return std::nullopt;
  if (semicolon != std::string_view::npos) result.params = Params(value.substr(semicolon));
  return result;
}

std::optional<std::string_view> find_sdp(const Message& message) {
  const std::string_view encoding = message.value(HeaderId::content_encoding);
  if (!encoding.empty() && !equals_ignoring_case(encoding, "identity")) return std::nullopt;
  return find_in(message.value(HeaderId::content_type), message.body(), max_nesting);
}

}  // namespace sallyport::sip
