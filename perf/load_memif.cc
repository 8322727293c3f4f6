// SPDX-License-Identifier: Apache-2.0
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/eal.h"
#include "dataplane/plain_datagram.h"
#include "drivers/port.h"
#include "perf/load_transport.h"

namespace sallyport::perf {
namespace {

using dataplane::plain_ip_at;
using dataplane::plain_payload_at;
using dataplane::plain_udp_at;

[[noreturn]] void fail(const Fault& fault) {
  std::fprintf(stderr, "packet_load: %s\n", fault.text().c_str());
  std::exit(2);
}

struct Headers {
  uint8_t bytes[plain_payload_at];
};

Headers headers_of(const abi::Address& source, const abi::Address& destination) {
  Headers headers{};
  uint8_t* at = headers.bytes;
  const uint8_t ethernet[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
  std::memcpy(at, ethernet, sizeof ethernet);
  at[plain_ip_at] = 0x45;
  at[plain_ip_at + 8] = 64;
  at[plain_ip_at + 9] = IPPROTO_UDP;
  std::memcpy(at + plain_ip_at + 12, source.ip, 4);
  std::memcpy(at + plain_ip_at + 16, destination.ip, 4);
  dataplane::store_be16(at + plain_udp_at, source.port);
  dataplane::store_be16(at + plain_udp_at + 2, destination.port);
  return headers;
}

class MemifLoad : public LoadTransport {
 public:
  MemifLoad(const std::string& out, const std::string& in, uint32_t core, const LoadFlows& flows) {
    std::string notice;
    if (auto started = dataplane::start_eal({"load", {core}, 256, dataplane::Hugepages::automatic, {}}, notice); !started) fail(started.fault());
    auto pool = dataplane::create_packet_pool(128, 2);
    if (!pool) fail(pool.fault());
    pool_ = *pool;
    out_ = open(out);
    in_ = open(in);
    for (uint32_t flow = 0; flow < flows.count(); ++flow) headers_.push_back(headers_of(flows.source(flow), flows.destination(flow)));
  }

  void lend(std::span<LoadPacket> packets, uint32_t bytes) override {
    if (rte_pktmbuf_alloc_bulk(pool_, lent_, static_cast<unsigned>(packets.size())) != 0) fail({FaultCode::exhausted, "packet memory", "has run out", ""});
    for (size_t i = 0; i < packets.size(); ++i) {
      packets[i].rtp = rte_pktmbuf_mtod(lent_[i], uint8_t*) + plain_payload_at;
      if (plain_payload_at + bytes + LoadFlows::tailroom_bytes > rte_pktmbuf_tailroom(lent_[i])) std::abort();
    }
  }

  uint32_t send(std::span<LoadPacket> packets) override {
    for (size_t i = 0; i < packets.size(); ++i) {
      rte_mbuf* mbuf = lent_[i];
      uint8_t* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
      const auto udp_bytes = static_cast<uint16_t>(sizeof(rte_udp_hdr) + packets[i].bytes);
      std::memcpy(frame, headers_[packets[i].flow].bytes, plain_payload_at);
      dataplane::store_be16(frame + plain_ip_at + 2, static_cast<uint16_t>(sizeof(rte_ipv4_hdr) + udp_bytes));
      const auto header_check = static_cast<uint16_t>(~dataplane::checksum_fold(dataplane::checksum_add(0, frame + plain_ip_at, sizeof(rte_ipv4_hdr))));
      std::memcpy(frame + plain_ip_at + 10, &header_check, sizeof header_check);
      dataplane::store_be16(frame + plain_udp_at + 4, udp_bytes);
      const auto check = static_cast<uint16_t>(~dataplane::udp_sum(frame + plain_ip_at + 12, 8, frame + plain_udp_at, udp_bytes));
      std::memcpy(frame + plain_udp_at + 6, &check, sizeof check);
      mbuf->data_len = static_cast<uint16_t>(plain_payload_at + packets[i].bytes);
      mbuf->pkt_len = mbuf->data_len;
    }
    const uint16_t sent = rte_eth_tx_burst(out_->id(), 0, lent_, static_cast<uint16_t>(packets.size()));
    for (size_t i = sent; i < packets.size(); ++i) rte_pktmbuf_free(lent_[i]);
    return sent;
  }

  std::span<LoadPacket> receive() override {
    if (received_count_ != 0) rte_pktmbuf_free_bulk(received_, received_count_);
    received_count_ = rte_eth_rx_burst(in_->id(), 0, received_, load_burst);
    for (uint16_t i = 0; i < received_count_; ++i) {
      packets_[i].rtp = rte_pktmbuf_mtod(received_[i], uint8_t*) + plain_payload_at;
      packets_[i].bytes = received_[i]->data_len < plain_payload_at ? 0 : received_[i]->data_len - plain_payload_at;
    }
    return {packets_, received_count_};
  }

 private:
  std::unique_ptr<drivers::Port> open(const std::string& socket) {
    drivers::PortSpec spec;
    spec.name = spec.device = socket;
    spec.profile = drivers::Profile::memif;
    spec.memif_server = true;
    spec.peer_mac = "02:00:00:00:00:01";
    std::string notice;
    auto port = drivers::Port::open(spec, pool_, notice);
    if (!port) fail(port.fault());
    return std::move(*port);
  }

  rte_mempool* pool_ = nullptr;
  std::unique_ptr<drivers::Port> out_, in_;
  std::vector<Headers> headers_;
  rte_mbuf* lent_[load_burst];
  rte_mbuf* received_[load_burst];
  uint16_t received_count_ = 0;
  LoadPacket packets_[load_burst];
};

}  // namespace

std::unique_ptr<LoadTransport> open_memif_load(const std::string& out, const std::string& in, uint32_t core, const LoadFlows& flows) {
  return std::make_unique<MemifLoad>(out, in, core, flows);
}

}  // namespace sallyport::perf
