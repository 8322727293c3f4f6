// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallControl: the call control nodes (registrars) that C serves, in order of priority, with the state that OPTIONS probing
// found. A node that is down is passed over; one that never answered yet is tried. The hop of a node may change when its
// connection is made anew. One thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/proxy/hop.h"
#include "controlplane/sip/uri.h"

namespace sallyport::proxy {

// C listens for TLS of call control on the port after that of UDP and TCP, as 5061 follows 5060.
inline uint16_t inner_port_of(Transport transport, uint16_t inner_port) {
  return static_cast<uint16_t>(transport == Transport::tls ? inner_port + 1 : inner_port);
}

enum class RegistrarMode : uint8_t { automatic, path, contact };

struct CallControlNode {
  std::string name;
  std::string host;          // as configured: name or address
  uint16_t port = 5060;
  Transport transport = Transport::udp;
  uint32_t priority = 10;    // lower first
  RegistrarMode mode = RegistrarMode::automatic;

  std::shared_ptr<Hop> hop;  // none: not resolved or not connected yet
  bool is_down = false;      // the last probe or request got no answer
  bool ignores_path = false; // learnt from a 200 without our Path (mode automatic)
  std::string state_text = "not probed yet";
  uint64_t changed_ms = 0;
  uint64_t probes = 0, probe_failures = 0;
};

class CallControl {
 public:
  void add(CallControlNode node);
  std::vector<CallControlNode>& nodes() { return nodes_; }
  const std::vector<CallControlNode>& nodes() const { return nodes_; }
  // The first usable node by priority; `affinity` keeps one client on one node among equals. nullptr: none.
  CallControlNode* pick(size_t affinity);
  // The node a Route or Request-URI names, by configured host or by the address its hop has. nullptr: not call control.
  CallControlNode* find(const sip::Uri& uri);
  CallControlNode* find_hop(uint64_t hop_id);
  bool any_up() const;

 private:
  std::vector<CallControlNode> nodes_;
};

}  // namespace sallyport::proxy
