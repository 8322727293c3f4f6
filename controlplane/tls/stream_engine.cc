// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/stream_engine.h"

#include "controlplane/tls/engine_core.h"

namespace sallyport::tls {

Outcome<std::unique_ptr<StreamEngine>> StreamEngine::create(boost::asio::io_context& context, EngineOptions options) {
  const uint32_t buffers = options.receive_buffers;
  if (buffers < 2 || buffers > 32768 || (buffers & (buffers - 1)) != 0 || options.receive_buffer_bytes < 512 || options.ring_entries < 8) {
    return Fault{FaultCode::invalid, "stream engine", "receive_buffers is no power of two from 2 to 32768, or sizes are too small", "keep the defaults"};
  }
  std::string fallback_reason;
  if (options.backend != EngineBackend::epoll) {
    auto core = make_uring_core(context, options);
    if (core) return std::unique_ptr<StreamEngine>(new StreamEngine(std::move(*core)));
    if (options.backend == EngineBackend::io_uring) return core.fault();
    fallback_reason = core.fault().text();
  }
  std::unique_ptr<StreamEngine> engine(new StreamEngine(make_reactor_core(context, options)));
  engine->core_->fallback_reason = std::move(fallback_reason);
  return engine;
}

StreamEngine::StreamEngine(std::unique_ptr<EngineCore> core) : core_(std::move(core)) { core_->engine = this; }
StreamEngine::~StreamEngine() = default;

EngineBackend StreamEngine::backend() const { return core_->backend(); }
const std::string& StreamEngine::fallback_reason() const { return core_->fallback_reason; }
boost::asio::io_context& StreamEngine::context() const { return core_->context(); }
size_t StreamEngine::open_streams() const { return core_->open_streams(); }
const EngineCounters& StreamEngine::counters() const { return core_->counters(); }
Outcome<StreamPtr> StreamEngine::adopt(int connected_fd) { return core_->adopt(connected_fd); }

}  // namespace sallyport::tls
