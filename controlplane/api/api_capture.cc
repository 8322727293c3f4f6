// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_capture.h"

#include <charconv>

namespace sallyport::api {
namespace {

constexpr std::string_view path_head = "/v1/calls/", path_end = "/capture";
constexpr std::uint64_t max_seconds = 3600, max_packets = 10'000'000;
constexpr const char* event_kind = "security";

std::string call_of(const ApiRequest& request) {
  return request.path.substr(path_head.size(), request.path.size() - path_head.size() - path_end.size());
}

bool is_decrypted(const ApiRequest& request) {
  const auto found = request.query.find("decrypted");
  return found != request.query.end() && found->second != "0" && found->second != "false";
}

std::string sentence(const ApiRequest& request, const char* verb) {
  return request.actor + " " + verb + " call " + call_of(request) + (is_decrypted(request) ? " DECRYPTED" : "");
}

// Unlike a list's limit, a number that is not understood is refused: who asks for ten seconds must not get an hour.
Outcome<std::uint64_t> bounded(const ApiRequest& request, const std::string& name, std::uint64_t otherwise, std::uint64_t most) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return otherwise;
  const std::string& text = found->second;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= most) return number;
  return Fault{FaultCode::invalid, name, "is no number from 1 to " + std::to_string(most) + ": " + text, "correct it or leave it out"};
}

}  // namespace

const RouteInfo& capture_route() {
  static constexpr RouteInfo route{"POST", "/v1/calls/{id}/capture", accounts::Role::operate, "The packets of a call as pcapng, as they come; decrypted for who administers", "seconds,packets,decrypted", ""};
  return route;
}

bool is_capture_path(std::string_view path) {
  if (path.size() <= path_head.size() + path_end.size() || !path.starts_with(path_head) || !path.ends_with(path_end)) return false;
  return path.substr(path_head.size(), path.size() - path_head.size() - path_end.size()).find('/') == std::string_view::npos;
}

bool is_capture(const ApiRequest& request) { return request.method == "POST" && is_capture_path(request.path); }

boost::asio::awaitable<Outcome<std::unique_ptr<CaptureFeed>>> begin_capture(const ApiRequest& request, ApiParts parts) {
  if (is_decrypted(request) && !accounts::includes(request.role, accounts::Role::administer)) {
    parts.log.warn(event_kind, sentence(request, "may not capture") + ": its role is " + accounts::name_of(request.role));
    co_return Fault{FaultCode::refused, request.path, "what is said in a call is for who administers", "capture it as it is on the wire, without decrypted"};
  }
  const auto seconds = bounded(request, "seconds", 60, max_seconds);
  if (!seconds) co_return seconds.fault();
  const auto packets = bounded(request, "packets", max_packets, max_packets);
  if (!packets) co_return packets.fault();
  CaptureQuery query;
  query.call = call_of(request);
  query.decrypted = is_decrypted(request);
  query.seconds = static_cast<std::uint32_t>(*seconds);
  query.packets = *packets;
  auto begun = co_await parts.node.capture(query);
  if (begun) {
    parts.log.write(query.decrypted ? LogLevel::warn : LogLevel::info, event_kind, sentence(request, "captures") + " for " + std::to_string(*seconds) + " s at most");
  } else if (query.decrypted) {
    parts.log.warn(event_kind, sentence(request, "may not capture") + ": " + begun.fault().cause);
  }
  co_return begun;
}

void note_capture_end(const ApiRequest& request, ApiParts parts, const CaptureFeed& feed) {
  parts.log.write(is_decrypted(request) ? LogLevel::warn : LogLevel::info, event_kind, sentence(request, "ends the capture of") + ": " + feed.outcome());
}

}  // namespace sallyport::api
