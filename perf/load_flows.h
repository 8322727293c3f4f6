// SPDX-License-Identifier: Apache-2.0
#pragma once
// LoadFlows: the streams of packet_load: each makes RTP, sealed where it has a key, and judges what of it comes back, opened with
// another key. A packet carries its flow's number as SSRC and, first in its payload, the TSC of the moment it was made. One thread.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/abi/address.h"
#include "dataplane/srtp_burst.h"
#include "drivers/crypto_engine.h"
#include "perf/large_pages.h"

namespace sallyport::perf {

inline constexpr uint32_t load_burst = 32;

// A packet of media in somebody's buffer.
struct LoadPacket {
  uint8_t* rtp = nullptr;
  uint32_t bytes = 0;
  uint32_t flow = 0;  // when sending
};

class LoadFlows {
 public:
  static constexpr uint32_t tailroom_bytes = 48;  // behind each packet that make() fills

  LoadFlows();
  // Adds the flow of a line: SOURCE_IP SOURCE_PORT DESTINATION_IP DESTINATION_PORT SEAL_SUITE SEAL_KEY OPEN_SUITE OPEN_KEY; a suite is
  // the number of abi::Suite, a key is master key and salt in hexadecimal; 0 and - are plain RTP. Ends the program with what is wrong.
  void add(const std::string& line);
  // After the last of them.
  void begin();
  size_t count() const { return flows_.size(); }
  const abi::Address& source(uint32_t flow) const { return flows_[flow].source; }
  const abi::Address& destination(uint32_t flow) const { return flows_[flow].destination; }

  // Fills `packets` (each with room for payload_bytes and what a header and a tag need) with the next ones, of the flows in turn.
  void make(std::span<LoadPacket> packets, uint32_t payload_bytes);
  struct Judged {
    uint32_t genuine = 0;
    uint32_t verified = 0;  // of these: opened and compared, byte by byte; one in `sample_every`
    uint64_t stamp = 0;     // TSC of the last verified one's making; 0: none
  };
  // Which of the packets are what was sent. Opens in place.
  Judged judge(std::span<LoadPacket> packets, uint32_t payload_bytes);

 private:
  static constexpr uint32_t sample_every = 32;
  struct Flow {
    abi::Address source, destination;
    const dataplane::SrtpContext* seals = nullptr;
    const dataplane::SrtpContext* opens = nullptr;
    dataplane::SrtpStreamState* sealing = nullptr;
    dataplane::SrtpStreamState* opening = nullptr;
    uint32_t sequence = 1;
    uint32_t judged = 0;
    uint32_t returned_bytes = 0;  // more than header and payload: the tag of what comes back
  };
  const dataplane::SrtpContext* context_of(unsigned suite, const std::string& hex);
  dataplane::SrtpStreamState* new_state();

  drivers::CryptoEngine engine_;
  dataplane::SrtpBurst burst_;
  std::vector<Flow> flows_;
  std::vector<std::unique_ptr<dataplane::SrtpContext>> contexts_;
  std::vector<std::unique_ptr<dataplane::SrtpStreamState>> states_;
  std::vector<uint32_t> order_;
  size_t next_ = 0;
};

}  // namespace sallyport::perf
