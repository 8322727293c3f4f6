// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_burst.h"

#include <algorithm>

#include "dataplane/srtp_workspace.h"

namespace sallyport::dataplane {

SrtpBurst::SrtpBurst(drivers::CryptoEngine& engine) : work_(std::make_unique<Workspace>(engine)) {}

SrtpBurst::~SrtpBurst() = default;

void SrtpBurst::open(std::span<SrtpJob> jobs) {
  for (; !jobs.empty(); jobs = jobs.subspan(std::min(jobs.size(), kMaxBurst)))
    work_->open_piece(jobs.first(std::min(jobs.size(), kMaxBurst)));
}

void SrtpBurst::seal(std::span<SrtpJob> jobs) {
  for (; !jobs.empty(); jobs = jobs.subspan(std::min(jobs.size(), kMaxBurst)))
    work_->seal_piece(jobs.first(std::min(jobs.size(), kMaxBurst)));
}

}  // namespace sallyport::dataplane
