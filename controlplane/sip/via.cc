// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/via.h"

#include <array>
#include <charconv>

#include "controlplane/sip/edit.h"
#include "controlplane/sip/grammar.h"
#include "controlplane/sip/splice.h"
#include "controlplane/sip/uri.h"

namespace sallyport::sip {
namespace {

constexpr std::array<std::string_view, 7> transports = {"UDP", "TCP", "TLS", "SCTP", "WS", "WSS", ""};

std::size_t skip_lws(std::string_view text, std::size_t at) {
  while (at < text.size() && is_lws(text[at])) ++at;
  return at;
}

// One token of sent-protocol, with the '/' behind it if `slash`; moves `at`.
bool take_token(std::string_view text, std::size_t& at, bool slash, std::string_view& token) {
  at = skip_lws(text, at);
  const std::size_t begin = at;
  while (at < text.size() && is_token_char(text[at])) ++at;
  token = text.substr(begin, at - begin);
  if (token.empty()) return false;
  if (!slash) return true;
  at = skip_lws(text, at);
  if (at == text.size() || text[at] != '/') return false;
  ++at;
  return true;
}

// sent-by = host [ COLON port ], blanks allowed around the colon (RFC 3261 25.1). Moves `at` behind it.
bool take_sent_by(std::string_view text, std::size_t& at, Via& via) {
  const std::size_t begin = at;
  if (at < text.size() && text[at] == '[') {
    at = text.find(']', at);
    if (at == std::string_view::npos) return false;
    ++at;
  } else {
    while (at < text.size() && text[at] != ':' && text[at] != ';' && !is_lws(text[at])) ++at;
  }
  via.host = text.substr(begin, at - begin);
  if (!is_host(via.host)) return false;
  const std::size_t colon = skip_lws(text, at);
  if (colon == text.size() || text[colon] != ':') return true;
  at = skip_lws(text, colon + 1);
  const std::size_t digits = at;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  const auto port = parse_number(text.substr(digits, at - digits), 65535);
  if (!port || *port == 0) return false;
  via.port = static_cast<std::uint16_t>(*port);
  return true;
}

bool read_params(Via& via) {
  auto rest = via.params.cursor();
  Param param;
  while (rest.next(param)) {
    if (param.name.empty() || !is_token(param.name)) return false;
    if (param.has_value && param.value.empty()) return false;
    if (equals_ignoring_case(param.name, "branch")) {
      via.branch = param.value;
    } else if (equals_ignoring_case(param.name, "received")) {
      via.received = param.value;
      if (via.received_whole.empty()) via.received_whole = param.whole;
    } else if (equals_ignoring_case(param.name, "rport")) {
      via.has_rport = true;
      const auto port = parse_number(param.value, 65535);
      if (param.has_value && !port) return false;
      via.rport = static_cast<std::uint16_t>(port.value_or(0));
      if (via.rport_whole.empty()) via.rport_whole = param.whole;
    }
  }
  return !rest.failed();
}

// Says which parts of the Via become what; an empty part stands for its end.
template <class Change>
void stamp(const Via& via, std::string_view address, std::uint16_t port, Change change) {
  const bool differs = via.host != address && !(via.host.size() > 2 && via.host.front() == '[' &&
                                                via.host.substr(1, via.host.size() - 2) == address);
  // The sender cannot know these; whatever it wrote there is overwritten.
  if (!via.received_whole.empty()) change(via.received_whole, Splice::Parts{});
  if (via.has_rport) {
    char digits[8];
    const auto end = std::to_chars(digits, digits + sizeof digits, port).ptr;
    change(via.rport_whole, {";rport=", std::string_view(digits, static_cast<std::size_t>(end - digits))});
  }
  const std::string_view params = via.params.text();
  if (differs || via.has_rport) change(std::string_view(params.data() + params.size(), 0), {";received=", address});
}

}  // namespace

bool parse_via(std::string_view text, Via& via) {
  via = Via{};
  std::size_t at = 0;
  if (!take_token(text, at, true, via.protocol) || !take_token(text, at, true, via.version) ||
      !take_token(text, at, false, via.transport_text)) {
    return false;
  }
  via.transport = transport_of(via.transport_text);
  const std::size_t sent_by = skip_lws(text, at);
  if (sent_by == at) return false;
  at = sent_by;
  if (!take_sent_by(text, at, via)) return false;
  at = skip_lws(text, at);
  via.params = Params(text.substr(at));
  if (at < text.size() && text[at] != ';') return false;
  return read_params(via);
}

Transport transport_of(std::string_view text) {
  for (std::size_t i = 0; i + 1 < transports.size(); ++i) {
    if (equals_ignoring_case(transports[i], text)) return static_cast<Transport>(i);
  }
  return Transport::other;
}

std::string_view transport_text(Transport transport) {
  return transports[static_cast<std::size_t>(transport)];
}

bool Via::is_rfc3261() const {
  return branch.size() > 7 && equals_ignoring_case(branch.substr(0, 7), "z9hG4bK");
}

std::optional<Via> parse_via(std::string_view text) {
  std::optional<Via> via(std::in_place);
  if (!parse_via(text, *via)) via.reset();
  return via;
}

std::string stamped_via(std::string_view value, std::string_view address, std::uint16_t port) {
  std::string stamped(value);
  Via via;
  if (!parse_via(value, via)) return stamped;
  Splice splice(value);
  stamp(via, address, port, [&](std::string_view part, Splice::Parts text) {
    const auto begin = static_cast<std::uint32_t>(part.data() - value.data());
    splice.replace(begin, begin + static_cast<std::uint32_t>(part.size()), text);
  });
  stamped.clear();
  splice.serialise(stamped);
  return stamped;
}

void stamp_source(Edit& edit, const Via& top_via, std::string_view address, std::uint16_t port) {
  stamp(top_via, address, port, [&](std::string_view part, Splice::Parts text) {
    if (part.empty()) edit.insert_after(part, text);
    else edit.replace_part(part, text);
  });
}

void stamp_source(Edit& edit, const Message& request, std::string_view address, std::uint16_t port) {
  const auto top = first_value(request, HeaderId::via);
  Via via;
  if (top && parse_via(top->text, via)) stamp_source(edit, via, address, port);
}

}  // namespace sallyport::sip
