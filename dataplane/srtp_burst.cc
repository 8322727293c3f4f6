// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_burst.h"

#include <algorithm>

#include "dataplane/srtp_workspace.h"

namespace sallyport::dataplane {

SrtpBurst::SrtpBurst(drivers::CryptoEngine& engine) : work_(std::make_unique<Workspace>(engine)) {}

SrtpBurst::~SrtpBurst() = default;

void SrtpBurst::open(std::span<SrtpJob> jobs, Fetch fetch) {
  for (; !jobs.empty(); jobs = jobs.subspan(std::min(jobs.size(), kMaxBurst))) {
    const std::span<SrtpJob> piece = jobs.first(std::min(jobs.size(), kMaxBurst));
    if (fetch == Fetch::now) Workspace::prefetch(piece);
    work_->open_piece(piece);
  }
}

void SrtpBurst::seal(std::span<SrtpJob> jobs, Fetch fetch) {
  for (; !jobs.empty(); jobs = jobs.subspan(std::min(jobs.size(), kMaxBurst))) {
    const std::span<SrtpJob> piece = jobs.first(std::min(jobs.size(), kMaxBurst));
    if (fetch == Fetch::now) Workspace::prefetch(piece);
    work_->seal_piece(piece);
  }
}

}  // namespace sallyport::dataplane
