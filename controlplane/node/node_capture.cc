// SPDX-License-Identifier: Apache-2.0
// Captures as the node permits them: only of calls that run, decrypted only on C and only where its node file says so.
#include <fmt/format.h>

#include "controlplane/node/node_facts.h"

namespace sallyport::node {

namespace {

class CallFeed final : public api::CaptureFeed {
 public:
  explicit CallFeed(std::unique_ptr<media::CallCapture> capture) : capture_(std::move(capture)) {}
  std::string take() override { return capture_->take(); }
  bool has_waiting() const override { return capture_->has_waiting(); }
  bool has_ended() const override { return capture_->has_ended(); }
  std::string outcome() const override {
    return fmt::format("{} packets, {}", capture_->packets(), capture_->has_ended() ? capture_->outcome() : "its reader has gone");
  }
  void on_ready(std::function<void()> ready) override { capture_->on_ready(std::move(ready)); }

 private:
  std::unique_ptr<media::CallCapture> capture_;
};

Outcome<> permit(const config::NodeConfig& config, const api::CaptureQuery& query) {
  const std::string subject = "capture of call " + query.call;
  if (!query.decrypted) return Done{};
  if (config.is_e()) return Fault{FaultCode::refused, subject, "E holds no media keys, so it has nothing decrypted", "capture on C, or leave out --decrypted"};
  if (config.media.decrypted_capture == "on") return Done{};
  return Fault{FaultCode::refused, subject, "this node gives no decrypted media out", "leave out --decrypted, or set media.decrypted_capture = \"on\" in its node file and reload it"};
}

}  // namespace

api::NodeView::Awaitable<Outcome<std::unique_ptr<api::CaptureFeed>>> NodeFacts::capture(api::CaptureQuery query) {
  if (const Outcome<> permitted = permit(node_.config(), query); !permitted) co_return permitted.fault();
  const calls::Call* call = node_.calls().find(query.call);
  const std::string subject = "call " + query.call;
  if (call == nullptr) co_return Fault{FaultCode::missing, subject, "is not known", "list the calls with `sallyport calls`"};
  if (call->session == nullptr) co_return Fault{FaultCode::missing, subject, "has ended", "list the calls that run with `sallyport calls --active`"};
  media::CaptureWish wish;
  wish.call_tag = call->session->call_tag();
  wish.title = fmt::format("call {} of {} ({}), {} to {}", call->id, node_.config().node.name, config::name_of(node_.config().node.role), call->from, call->to);
  wish.decrypted = query.decrypted;
  wish.seconds = query.seconds;
  wish.packets = query.packets;
  auto begun = node_.media().capture(std::move(wish));
  if (!begun) co_return begun.fault();
  std::unique_ptr<api::CaptureFeed> feed = std::make_unique<CallFeed>(std::move(*begun));
  co_return feed;
}

}  // namespace sallyport::node
