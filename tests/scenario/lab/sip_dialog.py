# SPDX-License-Identifier: Apache-2.0
"""One dialog of a scripted peer (RFC 3261 12): route set, target, tags and sequence numbers."""
from .sip_message import SipMessage, new_branch, split_list, uri_of


class SipDialog:
    """Made from the message that established it; then builds requests within the dialog."""

    def __init__(self, peer, call_id, local, remote, target, routes, cseq):
        self.peer = peer
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.target = target
        self.routes = routes
        self.cseq = cseq
        self.invite_cseq = cseq

    @classmethod
    def of_caller(cls, peer, response):
        """From a 1xx or 2xx with a To tag: the route set is its Record-Route reversed (12.1.2)."""
        routes = split_list(response.all("Record-Route"))[::-1]
        return cls(peer, response.get("Call-ID"), response.get("From"), response.get("To"),
                   response.contact_uri(), routes, int(response.get("CSeq").split()[0]))

    @classmethod
    def of_callee(cls, peer, request, own_response):
        """From the INVITE and the answer to it: Record-Route in its order (12.1.1)."""
        return cls(peer, request.get("Call-ID"), own_response.get("To"), request.get("From"),
                   request.contact_uri(), split_list(request.all("Record-Route")), 100)

    def request(self, method, headers=(), body="", cseq=None):
        """A request within the dialog; not sent yet. ACK and CANCEL repeat the INVITE's number."""
        if cseq is None:
            if method == "ACK":
                cseq = self.invite_cseq
            else:
                self.cseq += 1
                cseq = self.cseq
        if method == "INVITE":
            self.invite_cseq = cseq
        peer = self.peer
        message = SipMessage(f"{method} {self.target} SIP/2.0")
        message.add("Via", f"SIP/2.0/{peer.transport} {peer.host}:{peer.port};rport;branch={new_branch()}")
        for route in self.routes:
            message.add("Route", route)
        message.add("Max-Forwards", 70)
        message.add("From", self.local)
        message.add("To", self.remote)
        message.add("Call-ID", self.call_id)
        message.add("CSeq", f"{cseq} {method}")
        if method != "BYE":
            message.add("Contact", peer.contact)
        for name, value in headers:
            message.add(name, value)
        if body:
            message.add("Content-Type", "application/sdp")
        message.body = body
        return message

    def send(self, method, headers=(), body=""):
        return self.peer.send(self.request(method, headers, body))

    def refresh_target(self, message):
        """A re-INVITE or UPDATE, or its 2xx, may move the other end (12.2)."""
        if message.get("Contact"):
            self.target = uri_of(message.get("Contact"))
