// SPDX-License-Identifier: Apache-2.0
#pragma once
// A deadline of a whole exchange over a Stream: a peer that sends a byte now and then is not idle, and would never end. On the stream's thread.

#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "controlplane/tls/stream.h"
#include "controlplane/tls/stream_engine.h"

namespace sallyport::tls {

// Closes the stream when it is over, unless the timer is cancelled before.
inline std::shared_ptr<boost::asio::steady_timer> end_in_time(const StreamPtr& stream, std::chrono::milliseconds deadline) {
  auto timer = std::make_shared<boost::asio::steady_timer>(stream->engine().context(), deadline);
  timer->async_wait([timer, stream = std::weak_ptr<Stream>(stream)](const boost::system::error_code& error) {
    if (const auto late = stream.lock(); late != nullptr && !error) late->close("the exchange took too long");
  });
  return timer;
}

}  // namespace sallyport::tls
