// SPDX-License-Identifier: Apache-2.0
#pragma once
// DataplaneSocket: the handshake on the dataplane's SOCK_SEQPACKET socket, one message each way with descriptors by SCM_RIGHTS.
// Plain functions over a non-blocking descriptor; nothing is kept. Any thread.

#include <optional>
#include <string>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/region.h"

namespace sallyport::media {

// A connected, non-blocking, close-on-exec descriptor.
Outcome<int> connect_dataplane(const std::string& path);
// region_fd: the region of a dataplane that died, offered for adoption; -1 for none.
Outcome<> send_hello(int socket, int region_fd);

struct WelcomeMessage {
  abi::Welcome welcome;
  int region_fd = -1, wake_fd = -1, notify_fd = -1;  // the caller's to close
};
// nullopt: nothing there yet. Fault: closed, or not what a dataplane of our version says; descriptors are closed then.
Outcome<std::optional<WelcomeMessage>> receive_welcome(int socket);

}  // namespace sallyport::media
