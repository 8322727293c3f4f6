// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallbackHop: the sender of requests that this node makes itself (OPTIONS to a zone peer or to call control): the proxy takes
// it for a client, and the response ends in a function instead of on a wire. Called once, with the final response. One thread.

#include <functional>
#include <string>

#include "controlplane/proxy/hop.h"
#include "controlplane/sip/message.h"

namespace sallyport::proxy {

class CallbackHop final : public Hop {
 public:
  using Done = std::function<void(const sip::Message& response)>;
  CallbackHop(uint64_t id, Done done) : Hop(id, Side::client, Transport::tls), done_(std::move(done)) { name = "this node"; }

  bool send(std::string message) override {
    sip::Message response;
    if (!sip::parse(message, response).ok() || response.status() < 200 || !done_) return true;
    // Moved out first: the callback may start the next request.
    const Done done = std::exchange(done_, nullptr);
    done(response);
    return true;
  }
  bool is_open() const override { return true; }
  void close() override {}

 private:
  Done done_;
};

}  // namespace sallyport::proxy
