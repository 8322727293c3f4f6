// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a proxy must find right in a parsed message before it acts on it (RFC 3261 16.3, 8.1.1, 18.3; the verdicts of
// RFC 4475). Judges only what a proxy needs: fields it does not use may hold anything. Cost: a fraction of a parse; no
// allocation. Not judged here, because they need the node's own state: Max-Forwards 0 (483), Proxy-Require (420),
// loops, a foreign top Via.

#include "controlplane/sip/message.h"
#include "controlplane/sip/via.h"

namespace sallyport::sip {

// 400 for what is missing, repeated or malformed (Via, From, To, Call-ID, CSeq, Max-Forwards range, routing headers),
// 416 for a Request-URI scheme other than sip, sips, tel.
Verdict validate_request(const Message& request);
// The same, and leaves the top Via, which has to be parsed for it; set when the verdict is ok.
Verdict validate_request(const Message& request, Via& top_via);
// Not ok: discard the response, with the reason for the counter.
Verdict validate_response(const Message& response);
Verdict validate_response(const Message& response, Via& top_via);

}  // namespace sallyport::sip
