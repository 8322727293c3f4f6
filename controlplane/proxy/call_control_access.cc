// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/call_control_access.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/proxy/udp_hop.h"

namespace sallyport::proxy {

CallControlAccess::CallControlAccess(CallControlAccessSettings settings, tls::StreamEngine& engine, dns::Resolver& resolver,
                                     Proxy& proxy, CallControl& nodes, std::function<uint64_t()> next_hop_id,
                                     std::function<uint64_t()> now_ms)
    : settings_(std::move(settings)),
      engine_(engine),
      resolver_(resolver),
      proxy_(proxy),
      nodes_(nodes),
      next_hop_id_(std::move(next_hop_id)),
      now_ms_(std::move(now_ms)) {}

std::string CallControlAccess::via_head(Transport transport) const {
  return fmt::format("SIP/2.0/{} {}:{};branch=", sip::transport_text(transport), settings_.inner_host,
                     inner_port_of(transport, settings_.local.port()));
}

Outcome<> CallControlAccess::open() {
  auto socket = tls::UdpSocket::open(engine_.context(), {.address = settings_.local});
  if (!socket) return socket.fault();
  udp_ = std::move(*socket);
  auto listener = listen(nullptr);
  if (!listener) return listener.fault();
  listener_ = std::move(*listener);
  if (settings_.server_tls != nullptr) {
    auto tls_listener = listen(settings_.server_tls);
    if (!tls_listener) return tls_listener.fault();
    tls_listener_ = std::move(*tls_listener);
  }
  boost::asio::co_spawn(engine_.context(), receive_datagrams(), boost::asio::detached);
  for (size_t index = 0; index < nodes_.nodes().size(); ++index) {
    timers_.push_back(std::make_unique<boost::asio::steady_timer>(engine_.context()));
    boost::asio::co_spawn(engine_.context(), watch(index), boost::asio::detached);
  }
  return Done{};
}

Outcome<std::unique_ptr<tls::Listener>> CallControlAccess::listen(std::shared_ptr<tls::TlsPolicy> policy) {
  const bool secure = policy != nullptr;
  tls::ListenerOptions options;
  options.name = secure ? "sips call control" : "sip call control";
  options.address = settings_.local;
  options.address.set_port(inner_port_of(secure ? Transport::tls : Transport::tcp, settings_.local.port()));
  options.tls = std::move(policy);
  options.bind_patience = tls::start_patience;
  return tls::Listener::open(
      engine_, std::move(options), [this](tls::StreamPtr stream) { on_stream(std::move(stream)); },
      [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) {
        if (log) log(fmt::format("call control: TLS from {} refused: {}; {}", source.text(), failure.text, failure.remedy));
      });
}

void CallControlAccess::stop() {
  stopped_ = true;
  for (const auto& timer : timers_) timer->cancel();
  if (udp_ != nullptr) udp_->close();
  listener_.reset();
  tls_listener_.reset();
}

void CallControlAccess::release_sockets(std::vector<int>& sockets) {
  sockets.push_back(udp_->share_socket());
  for (tls::Listener* listener : {listener_.get(), tls_listener_.get()})
    if (listener != nullptr) sockets.push_back(listener->release_socket());
}

void CallControlAccess::suspect(CallControlNode& node) {
  for (size_t index = 0; index < nodes_.nodes().size(); ++index)
    if (&nodes_.nodes()[index] == &node && index < timers_.size()) timers_[index]->cancel();
}

void CallControlAccess::set_state(CallControlNode& node, bool is_down, std::string text) {
  if (node.state_text != text) {
    node.changed_ms = now_ms_();
    if (log) log(fmt::format("call control {} ({}:{}): {}", node.name, node.host, node.port, text));
  }
  node.is_down = is_down;
  node.state_text = std::move(text);
}

boost::asio::awaitable<void> CallControlAccess::receive_datagrams() {
  for (;;) {
    const auto datagram = co_await udp_->receive();
    if (!datagram) co_return;
    std::shared_ptr<Hop> from;
    for (const CallControlNode& node : nodes_.nodes())
      if (node.hop != nullptr && node.transport == Transport::udp && node.hop->remote == datagram->source) from = node.hop;
    // Call control may send from another port than it listens on; the address must be one of its own.
    if (from == nullptr)
      for (const CallControlNode& node : nodes_.nodes())
        if (node.hop != nullptr && node.hop->remote.ip_bytes() == datagram->source.ip_bytes()) {
          from = std::make_shared<UdpHop>(node.hop->id, *udp_, datagram->source);
          from->via_head = via_head(Transport::udp);
        }
    if (from == nullptr) {
      ++refused_sources_;
      continue;
    }
    if (datagram->bytes.size() > 4) proxy_.on_message(from, datagram->bytes);  // shorter ones are keep-alives
  }
}

void CallControlAccess::on_stream(tls::StreamPtr stream) {
  for (const CallControlNode& node : nodes_.nodes())
    if (node.hop != nullptr && node.hop->remote.ip_bytes() == stream->peer_address().ip_bytes()) {
      auto hop = std::make_shared<StreamHop>(next_hop_id_(), Side::call_control, stream, sip::Framer::Side::accepted, settings_.limits);
      hop->via_head = via_head(hop->transport);
      stream->set_idle_deadline(std::chrono::hours(1));
      boost::asio::co_spawn(engine_.context(), StreamHop::serve(hop, *this), boost::asio::detached);
      return;
    }
  ++refused_sources_;
  stream->close("not a call control node");
}

void CallControlAccess::on_closed(const std::shared_ptr<Hop>& hop, std::string_view reason) {
  proxy_.on_hop_lost(*hop);
  CallControlNode* node = nodes_.find_hop(hop->id);
  if (node == nullptr) return;
  node->hop = nullptr;
  set_state(*node, true, fmt::format("connection lost: {}", reason));
  suspect(*node);
}

boost::asio::awaitable<void> CallControlAccess::watch(size_t index) {
  CallControlNode& node = nodes_.nodes()[index];
  while (!stopped_) {
    if (node.hop == nullptr || !node.hop->is_open()) co_await connect_node(index);
    if (node.hop != nullptr && !stopped_) {
      ++node.probes;
      const bool answered = co_await ask_options(index);
      if (!answered) ++node.probe_failures;
      set_state(node, !answered, answered ? "up" : "no answer to OPTIONS");
      if (!answered && node.hop != nullptr) proxy_.on_hop_silent(*node.hop);
    }
    if (stopped_) co_return;
    boost::system::error_code ignored;
    timers_[index]->expires_after(std::chrono::milliseconds(node.is_down ? settings_.probe_interval_down_ms : settings_.probe_interval_ms));
    co_await timers_[index]->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    if (ignored && !stopped_) {
      // Woken early by trouble: a short pause keeps a flapping peer from becoming a busy loop.
      timers_[index]->expires_after(std::chrono::milliseconds(500));
      co_await timers_[index]->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
  }
}

boost::asio::awaitable<void> CallControlAccess::connect_node(size_t index) {
  CallControlNode& node = nodes_.nodes()[index];
  if (node.transport == Transport::udp) {
    const auto family = settings_.local.is_v6() ? dns::Family::v6 : dns::Family::v4;
    const auto addresses = co_await resolver_.resolve_host(node.host, family);
    if (!addresses || addresses->empty()) {
      set_state(node, true, addresses ? "no address" : addresses.fault().text());
      co_return;
    }
    const auto remote = tls::SocketAddress::parse(addresses->front().address, node.port);
    if (!remote) co_return;
    node.hop = std::make_shared<UdpHop>(next_hop_id_(), *udp_, *remote);
    node.hop->via_head = via_head(Transport::udp);
    co_return;
  }
  tls::ConnectOptions options;
  options.local = settings_.local;
  options.local.set_port(0);
  options.local_port_low = 25000;
  options.local_port_high = 29999;
  if (node.transport == Transport::tls) options.tls = settings_.tls;
  tls::ConnectResult result = co_await tls::dial(engine_, resolver_, node.host, node.port, std::move(options));
  if (!result) {
    set_state(node, true, result.failure->fault().text());
    co_return;
  }
  auto hop = std::make_shared<StreamHop>(next_hop_id_(), Side::call_control, result.stream, sip::Framer::Side::dialled, settings_.limits);
  hop->via_head = via_head(hop->transport);
  node.hop = hop;
  boost::asio::co_spawn(engine_.context(), StreamHop::serve(hop, *this), boost::asio::detached);
}

boost::asio::awaitable<bool> CallControlAccess::ask_options(size_t index) {
  CallControlNode& node = nodes_.nodes()[index];
  ++cseq_;
  const std::string uri = fmt::format("sip:{}:{};transport={}", node.host, node.port, node.transport == Transport::udp ? "udp" : node.transport == Transport::tcp ? "tcp" : "tls");
  const std::string text = fmt::format(
      "OPTIONS {} SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:{}>;tag=probe{}\r\nTo: <{}>\r\nCall-ID: probe-{}-{}@{}\r\nCSeq: {} OPTIONS\r\n"
      "Contact: <sip:{}:{}>\r\nUser-Agent: Sallyport\r\nContent-Length: 0\r\n\r\n",
      uri, settings_.agent, cseq_, uri, index, cseq_, settings_.agent, cseq_, settings_.inner_host, inner_port_of(node.transport, settings_.local.port()));
  // The answer wakes this coroutine through the timer; one that comes after the patience is over changes nothing.
  auto status = std::make_shared<int>(0);
  auto woken = std::make_shared<boost::asio::steady_timer>(engine_.context(), std::chrono::milliseconds(settings_.probe_patience_ms));
  if (!proxy_.originate(node.hop, text, [status, woken](const sip::Message& response) {
        *status = response.status();
        woken->cancel();
      }))
    co_return false;
  boost::system::error_code ignored;
  if (*status == 0) co_await woken->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  // Any answer of the node itself proves that it lives (RFC 3261 11): 404 or 405 to OPTIONS are common.
  co_return *status != 0 && *status != 408 && *status != 503;
}

}  // namespace sallyport::proxy
