// SPDX-License-Identifier: Apache-2.0
// Any bytes through the RTP and RTCP header parsers: what they accept must lie within the datagram.
#include "dataplane/rtp_header.h"

#include <cstdlib>

using namespace sallyport::dataplane;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> datagram(data, size);
  const MediaProtocol protocol = classify_datagram(datagram);

  RtpHeader rtp;
  if (parse_rtp_header(datagram, rtp)) {
    check(protocol == MediaProtocol::rtp || protocol == MediaProtocol::rtcp);
    check(rtp.header_length_bytes >= kRtpFixedHeaderBytes && rtp.header_length_bytes <= size);
    size_t payload = 0;
    if (measure_rtp_payload(datagram, rtp, payload)) check(rtp.header_length_bytes + payload <= size);
  }
  RtcpHeader rtcp;
  const bool has_rtcp_header = parse_rtcp_header(datagram, rtcp);
  if (has_rtcp_header) check(size >= kRtcpFixedHeaderBytes);
  if (is_whole_rtcp_compound(datagram)) check(size % 4 == 0);
  return 0;
}
