// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_probe.h"

#include <fmt/format.h>

#include "controlplane/sip/framer.h"
#include "controlplane/zones/options_request.h"

namespace sallyport::zones {

using sip::HeaderId;
using Layer = ProbeVerdict::Layer;

namespace {

// The dialogue without its waiting: bytes in, requests out, a verdict at the end.
class Probe {
 public:
  Probe(tls::Stream& stream, const TraversalClientSettings& settings)
      : stream_(stream), settings_(settings), framer_(sip::Framer::Side::dialled, settings.limits) {
    wish_.peer = settings.peer;
    wish_.port = settings.port;
    wish_.username = settings.username;
    wish_.own_host = settings.own_host;
  }

  void ask(const std::string& authorization) {
    ++wish_.cseq;
    wish_.extra_lines = fmt::format("{}: 1\r\n{}", test_header, authorization);
    std::string text = write_options(wish_);
    const size_t line_end = text.find("\r\n") + 2;
    text.insert(line_end, fmt::format("Via: {}z9hG4bK{}\r\n", settings_.via_head, random_token()));
    stream_.send(text);
  }

  // True when the verdict stands.
  bool take(std::string_view bytes) {
    framer_.feed(bytes);
    for (std::string_view frame;;) {
      const sip::Framer::Event event = framer_.next(frame);
      if (event == sip::Framer::Event::need_more) return false;
      if (event == sip::Framer::Event::refused) return end(Layer::digest, "the peer does not speak SIP on this port");
      if (event == sip::Framer::Event::message && on_message(frame)) return true;
    }
  }

  void on_end() {
    if (stream_.alert() >= 0) end(Layer::tls, stream_.close_reason());
    else end(Layer::digest, "no answer to OPTIONS: " + (stream_.close_reason().empty() ? std::string("closed by the peer") : stream_.close_reason()));
  }

  const ProbeVerdict& verdict() const { return verdict_; }

 private:
  bool end(Layer layer, std::string text) {
    verdict_.refused_by = layer;
    verdict_.text = std::move(text);
    return true;
  }

  bool on_message(std::string_view frame) {
    sip::Message response;
    if (!sip::parse(frame, response).ok() || response.status() < 200) return false;
    if (response.status() == 200) return end(Layer::none, fmt::format("user {} is accepted by {}", settings_.username, algorithm_.empty() ? "the peer" : algorithm_));
    const std::string warning = warning_text(response.value(HeaderId::warning));
    if (response.status() == 403 && !warning.empty()) return end(Layer::name, "the peer refused our certificate: " + warning);
    if (response.status() == 401 && algorithm_.empty()) {
      const auto authorization = authorization_line(response, wish_, settings_.password, &algorithm_);
      if (!authorization) return end(Layer::digest, "authentication failed: no challenge with a known algorithm");
      ask(*authorization);
      return false;
    }
    if (response.status() == 401 || response.status() == 403)
      return end(Layer::digest, fmt::format("authentication failed: the peer refused user {}; check user name and password on both nodes", settings_.username));
    return end(Layer::digest, fmt::format("the peer answered OPTIONS with {} {}", response.status(), response.reason()));
  }

  tls::Stream& stream_;
  const TraversalClientSettings& settings_;
  sip::Framer framer_;
  OptionsWish wish_;
  std::string algorithm_;
  ProbeVerdict verdict_;
};

}  // namespace

boost::asio::awaitable<ProbeVerdict> probe_zone(tls::StreamPtr stream, TraversalClientSettings settings, std::chrono::milliseconds deadline) {
  stream->set_idle_deadline(deadline);
  Probe probe(*stream, settings);
  const std::string nothing;
  probe.ask(nothing);
  for (;;) {
    const Outcome<std::string_view> bytes = co_await stream->receive();
    if (!bytes || bytes->empty()) {
      probe.on_end();
      break;
    }
    if (probe.take(*bytes)) break;
  }
  stream->close_after_send();
  co_return probe.verdict();
}

}  // namespace sallyport::zones
