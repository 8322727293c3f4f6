// SPDX-License-Identifier: Apache-2.0
#pragma once
// ControlSocket: the Unix SOCK_SEQPACKET socket on which a control plane fetches the region and its two eventfds, or offers the
// region of a dataplane that died. One connection at a time: a newer one replaces the older once it has said a valid hello, for
// a restarted control plane must not wait for its predecessor. Main thread only; never blocks.

#include <functional>
#include <memory>
#include <string>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/region.h"

namespace sallyport::dataplane {

class ControlSocket {
 public:
  struct Descriptors {
    int region = -1;
    int wake = -1;
    int notify = -1;
  };
  // Asked when a control plane says hello. `offered` is the region it passes, or -1; the answer tells what it gets.
  using Greet = std::function<abi::Welcome(int offered, Descriptors& passed)>;

  static Outcome<std::unique_ptr<ControlSocket>> listen(const std::string& path, Greet greet);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  int listen_descriptor() const { return listen_; }
  int peer_descriptor() const { return peer_; }      // -1 when nobody is connected
  int waiting_descriptor() const { return waiting_; }  // connected, but has not said hello; -1 none
  void accept_peer();
  void serve_peer();
  void serve_waiting();

 private:
  ControlSocket(int listen, std::string path, Greet greet) : listen_(listen), path_(std::move(path)), greet_(std::move(greet)) {}
  // False when the connection is to be closed.
  bool serve(int descriptor, bool& greeted);
  bool answer(int descriptor, int offered);

  int listen_;
  int peer_ = -1;
  int waiting_ = -1;
  std::string path_;
  Greet greet_;
};

}  // namespace sallyport::dataplane
