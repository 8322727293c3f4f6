// SPDX-License-Identifier: Apache-2.0
#include "controlplane/tls/dial.h"

namespace sallyport::tls {

boost::asio::awaitable<ConnectResult> dial(StreamEngine& engine, dns::Resolver& resolver, std::string host, uint16_t port, ConnectOptions options) {
  if (options.progress) options.progress(ConnectStage::resolving);
  const dns::Family family = !options.local.is_set() ? dns::Family::any : options.local.is_v6() ? dns::Family::v6 : dns::Family::v4;
  const auto records = co_await resolver.resolve_host(host, family);
  if (!records) {
    const Fault& fault = records.fault();
    co_return ConnectResult{nullptr, ConnectFailure{ConnectStage::resolving, ConnectReason::resolve_failed, (fault.subject.empty() ? "" : fault.subject + ": ") + fault.cause, fault.remedy, {}}};
  }
  if (options.sni.empty()) options.sni = host;
  ConnectResult last;
  for (const dns::HostRecord& record : *records) {
    auto address = SocketAddress::parse(record.address, port);
    if (!address) continue;
    if (options.admits && !options.admits(*address)) {
      last.failure = ConnectFailure{ConnectStage::resolving, ConnectReason::local_address, host + " leads to " + record.address + ", which is this host's own or of its link", "correct its DNS entry", {}};
      continue;
    }
    options.remote = *address;
    last = co_await connect(engine, options);
    // A peer that answers TCP but fails TLS is the right peer, wrongly configured: its failure is what the operator must see.
    if (last || last.failure->stage == ConnectStage::tls || last.failure->reason == ConnectReason::cancelled) co_return last;
  }
  if (!last && !last.failure) last.failure = ConnectFailure{ConnectStage::resolving, ConnectReason::resolve_failed, host + " has no usable address", "correct its DNS entry", {}};
  co_return last;
}

}  // namespace sallyport::tls
