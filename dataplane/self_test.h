// SPDX-License-Identifier: Apache-2.0
#pragma once
// Self-test: whether this CPU and ipsec-mb do what the dataplane needs: known answers for HMAC-SHA256, and every SRTP suite
// sealed, opened, tampered with and replayed. Needs neither EAL nor rights. One line a check on stdout.

namespace sallyport::dataplane {

// True when every check passed.
bool run_self_test();

}  // namespace sallyport::dataplane
