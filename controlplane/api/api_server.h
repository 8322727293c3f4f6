// SPDX-License-Identifier: Apache-2.0
#pragma once
// ApiServer: REST over the node's Unix socket (and /metrics over TCP if asked). Runs on one executor of the caller's, which must
// not run two handlers at a time; owns its sockets, never blocks on a peer: connections, header and body sizes and idle time are
// bounded. The socket is made with mode 0660; whoever may open it may administer. Destroy or stop() it on the executor's thread;
// NodeView, store, metrics and log must outlive it and every request that is being answered.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "controlplane/accounts/doorkeeper.h"
#include "controlplane/api/api_audit.h"
#include "controlplane/api/event_log.h"
#include "controlplane/api/metrics.h"
#include "controlplane/api/node_view.h"
#include "controlplane/certificates/acme_store.h"
#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/store/site_store.h"
#include "dataplane/abi/fault.h"

namespace sallyport::api {

struct ApiServerOptions {
  std::string socket_path;
  std::string metrics_listen;  // "127.0.0.1:9464", "[::1]:9464"; empty: none
  std::uint32_t max_connections = 32;
  std::uint32_t max_header_bytes = 8192;
  std::uint32_t max_body_bytes = 8 << 20;
  std::uint32_t idle_timeout_s = 30;
  std::uint32_t answer_timeout_s = 10;  // what NodeView may take
  std::uint32_t test_timeout_s = 60;    // likewise, for what dials another node
};

struct ApiParts {
  NodeView& node;
  store::SiteStore& store;
  certificates::CertificateVault& vault;
  certificates::AcmeStore& acme;
  MetricRegistry& metrics;
  EventLog& log;
  accounts::Doorkeeper& door;
  AuditTrail& audit;
};

class ApiServer {
 public:
  // Binds and listens; a left-over socket file that nobody answers on is replaced, one that is answered is a Fault.
  static Outcome<std::unique_ptr<ApiServer>> start(boost::asio::any_io_executor executor, ApiServerOptions options,
                                                   ApiParts parts);
  virtual ~ApiServer() = default;
  virtual void stop() = 0;                         // closes everything, removes the socket file
  virtual std::uint16_t metrics_port() const = 0;  // bound port, 0: none
};

}  // namespace sallyport::api
