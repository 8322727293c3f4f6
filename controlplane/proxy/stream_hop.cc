// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/stream_hop.h"

namespace sallyport::proxy {

namespace {

// Towards C and call control one connection carries what all clients send: when thousands register at once, megabytes wait for a
// moment. A client's own connection keeps the stream's narrow bound.
constexpr uint32_t shared_queue_limit_bytes = 64 << 20;

}  // namespace

StreamHop::StreamHop(uint64_t id, Side side, tls::StreamPtr stream, sip::Framer::Side framer_side, sip::FramerLimits limits)
    : Hop(id, side, stream->is_tls() ? Transport::tls : Transport::tcp), stream_(std::move(stream)), framer_(framer_side, limits) {
  remote = stream_->peer_address();
  local = stream_->local_address();
  name = remote.text();
  if (side != Side::client) stream_->set_limits({.queue_limit_bytes = shared_queue_limit_bytes});
}

bool StreamHop::send(std::string message) {
  if (!stream_->is_open()) return false;
  const tls::SendVerdict verdict = stream_->send(message);
  // A peer that does not read holds up only itself: its connection ends, and with it what it would have been told.
  if (verdict == tls::SendVerdict::queue_full) stream_->close("send queue full, the peer does not read");
  return verdict == tls::SendVerdict::queued;
}

boost::asio::awaitable<void> StreamHop::serve(std::shared_ptr<StreamHop> hop, MessageSink& sink) {
  bool refused = false;
  tls::ByteReader reader = [&](std::string_view bytes) { return !(refused = !hop->take(bytes, sink)); };
  const Outcome<> ended = co_await hop->stream_->receive_each(std::move(reader));
  const bool by_peer = ended && !refused && hop->stream_->is_open();
  if (hop->stream_->is_open()) hop->stream_->close_after_send();
  const std::string reason = by_peer ? std::string("closed by the peer") : hop->stream_->close_reason();
  sink.on_closed(hop, reason);
}

bool StreamHop::take(std::string_view bytes, MessageSink& sink) {
  using Event = sip::Framer::Event;
  framer_.feed(bytes);
  const std::shared_ptr<Hop> self = shared_from_this();
  std::string_view frame;
  for (;;) switch (framer_.next(frame)) {
      case Event::need_more:
        return true;
      case Event::message:
        sink.on_message(self, frame);
        if (!stream_->is_open()) return false;
        break;
      case Event::ping:
        stream_->send("\r\n");
        break;
      case Event::pong:
        ++pongs_;
        break;
      case Event::refused:
        sink.on_refused(self, frame, framer_.verdict());
        return false;
    }
}

}  // namespace sallyport::proxy
