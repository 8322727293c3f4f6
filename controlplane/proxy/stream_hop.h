// SPDX-License-Identifier: Apache-2.0
#pragma once
// StreamHop: a Hop over a TCP or TLS Stream: cuts messages, answers CRLF keep-alives, hands messages to its sink.
// serve() runs as a coroutine until the stream ends and holds the hop meanwhile. One thread (the stream's).

#include <functional>
#include <memory>
#include <string>

#include "controlplane/proxy/hop.h"
#include "controlplane/sip/framer.h"
#include "controlplane/tls/stream.h"

namespace sallyport::proxy {

// Where messages of a hop go. The sink outlives every hop.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void on_message(const std::shared_ptr<Hop>& hop, std::string_view text) = 0;
  virtual void on_refused(const std::shared_ptr<Hop>& hop, std::string_view head, const sip::Verdict& verdict) = 0;
  virtual void on_closed(const std::shared_ptr<Hop>& hop, std::string_view reason) = 0;
};

class StreamHop final : public Hop {
 public:
  StreamHop(uint64_t id, Side side, tls::StreamPtr stream, sip::Framer::Side framer_side, sip::FramerLimits limits);

  bool send(std::string message) override;
  bool is_open() const override { return stream_->is_open(); }
  void close() override { stream_->close_after_send(); }
  tls::Stream& stream() { return *stream_; }
  // Nothing under way in either direction, no message half received.
  bool is_still() const { return stream_->is_still() && framer_.pending_bytes() == 0; }
  uint64_t pongs() const { return pongs_; }

  // A double CRLF (RFC 5626 3.5.1): keeps the NAT binding open; the peer answers with one CRLF.
  bool ping() { return stream_->send("\r\n\r\n") == tls::SendVerdict::queued; }

  static boost::asio::awaitable<void> serve(std::shared_ptr<StreamHop> hop, MessageSink& sink);

 private:
  bool take(std::string_view bytes, MessageSink& sink);

  tls::StreamPtr stream_;
  sip::Framer framer_;
  uint64_t pongs_ = 0;
};

}  // namespace sallyport::proxy
