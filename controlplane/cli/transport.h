// SPDX-License-Identifier: Apache-2.0
#pragma once
// Transport: a connection to the control plane, blocking, with a deadline for silence, and the bytes of it that were read but not yet
// used. Over the Unix socket here, over HTTPS in remote_access.h. Every Fault names the other side, the cause and the remedy. One thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::cli {

class Transport {
 public:
  explicit Transport(std::string subject) : subject_(std::move(subject)) {}
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  virtual Outcome<> send(std::string_view bytes) = 0;
  // Appends what comes next to buffer; false at the end of the stream.
  virtual Outcome<bool> receive() = 0;
  Fault fault(const std::string& cause, const std::string& remedy) const { return {FaultCode::unreachable, subject_, cause, remedy}; }

  std::string buffer;

 private:
  std::string subject_;
};

// patience_s 0: none.
Outcome<std::unique_ptr<Transport>> open_local_transport(const std::string& socket_path, std::uint32_t patience_s);

}  // namespace sallyport::cli
