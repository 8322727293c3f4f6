// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/api_client.h"

#include "controlplane/cli/remote_access.h"

namespace sallyport::cli {

Outcome<ApiReply> ApiClient::talk(HttpRequest request, std::uint32_t patience_s, const Talk& talk) const {
  if (endpoint_.remote != nullptr) return endpoint_.remote->talk(std::move(request), patience_s, talk);
  auto transport = open_local_transport(endpoint_.socket, patience_s);
  if (!transport) return transport.fault();
  return talk(**transport, request);
}

Outcome<ApiReply> ApiClient::request(const std::string& method, const std::string& target, const std::string& body, std::uint32_t patience_s) const {
  return talk({method, target, body}, patience_s, exchange);
}

Outcome<ApiReply> ApiClient::stream(const std::string& method, const std::string& target, const std::function<bool(std::string_view)>& take_chunk) const {
  return talk({method, target, ""}, 0, [&](Transport& transport, const HttpRequest& request) { return exchange_stream(transport, request, take_chunk); });
}

Outcome<> ApiClient::follow(const std::string& target, const std::function<bool(std::string_view)>& take_line) const {
  std::string text;
  auto reply = stream("GET", target, [&](std::string_view chunk) {
    text += chunk;
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      if (!take_line(std::string_view(text).substr(0, end))) return false;
    }
    return true;
  });
  if (!reply) return reply.fault();
  if (reply->status == 200) return Done{};
  return Fault{FaultCode::unreachable, endpoint_.remote != nullptr ? endpoint_.remote->name() : "socket " + endpoint_.socket, "the control plane answered with status " + std::to_string(reply->status), "look at its log"};
}

std::string ApiClient::encode(std::string_view text) {
  std::string encoded;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      encoded += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    }
  }
  return encoded;
}

}  // namespace sallyport::cli
