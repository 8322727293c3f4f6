// SPDX-License-Identifier: Apache-2.0
#pragma once
// The life of a media link: keep-alives and their answers, confirmations of candidate sources, up and down.
// Owner lcore only. Nothing is believed before its HMAC verifies and its counter is newer than the last of that sender.

#include <cstdint>

#include "dataplane/abi/drop_reason.h"
#include "dataplane/link_table.h"
#include "dataplane/packet.h"

namespace sallyport::dataplane {

class Worker;

// A datagram with multiplexID 0. abi::DropReason::count when it was taken (or handed to its worker).
abi::DropReason take_control(Worker& worker, Packet& packet);
// C: the candidate bits of a packet that authenticated.
void send_confirmation(Worker& worker, FlowEntry& flow, uint8_t candidate);
// Keep-alives that are due, links that fell silent, news from worker 0. Called at least every ten milliseconds.
void tick_links(Worker& worker);

}  // namespace sallyport::dataplane
