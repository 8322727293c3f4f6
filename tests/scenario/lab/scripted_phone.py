# SPDX-License-Identifier: Apache-2.0
"""A scripted endpoint with media: a SIP peer, and for each stream of its SDP an RTP peer with keys."""
from . import plan, sdp, srtp
from .report import require
from .rtp_peer import RtpPeer, converse
from .sip_dialog import SipDialog
from .sip_peer import SipPeer

ALL_SUITES = tuple(srtp.SUITES)


def outside_phone(lab, user, suites=ALL_SUITES, edge=plan.EDGE_OUTSIDE.host4):
    """A scripted phone behind the home router, over TLS to E; of the same address family as `edge`."""
    home = lab.spaces["home"]
    peer = SipPeer.connect_tls(user, home, edge, plan.SIP_TLS_PORT,
                               ca_file=lab.wallet.authority.certificate)
    own = plan.HOME.host6 if ":" in edge else plan.HOME.host4
    phone = lab.keep(ScriptedPhone(peer, home, own, suites))
    phone.dial = lambda: SipPeer.connect_tls(user, home, edge, plan.SIP_TLS_PORT,
                                             ca_file=lab.wallet.authority.certificate)
    return phone


def inside_phone(lab, user, registrar=plan.CM, ipv6=False):
    """A scripted phone at Kamailio over UDP, with plain RTP."""
    desk = lab.spaces["desk"]
    own, remote = ((plan.DESK.host6, registrar.host6) if ipv6
                   else (plan.DESK.host4, registrar.host4))
    peer = SipPeer.open_udp(user, desk, own, (remote, 5060))
    return lab.keep(ScriptedPhone(peer, desk, own))


def registered_pair(lab):
    """A fresh registered phone on each side, so that no test meets the remains of another."""
    number = lab.next_number()
    return outside_phone(lab, f"o{number}").register(), inside_phone(lab, f"i{number}").register()


class ScriptedStream:
    """One m= line of ours. own is the (tag, suite, key) list that we offer or the one that we answered."""

    def __init__(self, namespace, address, kind):
        self.kind = kind
        self.rtp = RtpPeer(namespace, address)
        self.own = []
        self.suite = None

    def lines(self, direction):
        return sdp.stream_lines(self.kind, self.rtp.port, self.own, direction,
                                formats=("0",) if self.kind == "audio" else ("96",),
                                extra=() if self.kind == "audio" else ("a=rtpmap:96 VP8/90000",))

    def use(self, theirs, own_crypto, their_crypto):
        self.rtp.set_remote(theirs.address, theirs.port)
        if own_crypto:
            self.suite = own_crypto[1]
            self.rtp.set_keys(self.suite, own_crypto[2], their_crypto[2])


class ScriptedPhone:
    """suites, strongest first, make it speak SRTP; none makes it speak plain RTP."""

    def __init__(self, peer, namespace, address, suites=()):
        self.peer = peer
        self.streams = []
        self._namespace = namespace
        self._address = address
        self._suites = tuple(suites)

    @property
    def rtp(self):
        """Of the first stream."""
        return self.streams[0].rtp

    def offer(self, kinds=("audio",), direction="sendrecv", suites=None, address=None):
        """An offer with these streams; those it already has keep their ports and keys."""
        chosen = self._suites if suites is None else suites
        for kind in kinds[len(self.streams):]:
            stream = ScriptedStream(self._namespace, self._address, kind)
            stream.own = [(tag, suite, srtp.new_inline(suite))
                          for tag, suite in enumerate(chosen, 1)]
            self.streams.append(stream)
        return sdp.describe(address or self._address, *(s.lines(direction) for s in self.streams))

    def answer(self, offered, direction="sendrecv", choice=0):
        """Answers an offer: of the suites we know it takes the one at `choice`, and repeats its tag."""
        for number, theirs in enumerate(sdp.streams_of(offered)):
            if number == len(self.streams):
                self.streams.append(ScriptedStream(self._namespace, self._address, theirs.kind))
            stream = self.streams[number]
            self._must_suit(theirs)
            if self._suites:
                usable = [crypto for crypto in theirs.cryptos if crypto[1] in self._suites]
                require(usable, f"{self.peer.user} was offered no suite it knows: {theirs.lines}")
                chosen = usable[choice]
                if not (stream.own and stream.own[0][:2] == chosen[:2]):
                    stream.own = [(chosen[0], chosen[1], srtp.new_inline(chosen[1]))]
                stream.use(theirs, stream.own[0], chosen)
            else:
                stream.use(theirs, None, None)
        return sdp.describe(self._address, *(s.lines(direction) for s in self.streams))

    def take_answer(self, answered):
        """Applies the answer to our offer: as many streams, and one of our tags repeated."""
        streams = sdp.streams_of(answered)
        require(len(streams) == len(self.streams),
                f"{len(streams)} streams in the answer to an offer of {len(self.streams)}")
        for stream, theirs in zip(self.streams, streams):
            if theirs.port == 0:
                continue
            self._must_suit(theirs)
            own = chosen = None
            if self._suites:
                require(len(theirs.cryptos) == 1, f"the answer has {len(theirs.cryptos)} crypto lines")
                chosen = theirs.cryptos[0]
                own = next((c for c in stream.own if c[:2] == chosen[:2]), None)
                require(own, f"the answer takes tag and suite {chosen[:2]}, which were not offered")
            stream.use(theirs, own, chosen)

    @property
    def uri(self):
        return f"sip:{self.peer.user}@{self.peer.domain}"

    def register(self, expires=3600):
        """For longer than any run: scripted phones do not refresh."""
        self.peer.register(expires=expires)
        return self

    def reconnect(self):
        """E has lost the connection: a new one, and registered there; dialogs and media go on."""
        self.peer.take_over(self.dial())
        return self.register()

    def close(self):
        self.end_media()
        self.peer.close()

    def end_media(self):
        for stream in self.streams:
            stream.rtp.close()
        self.streams = []

    # Lab.keep() wants stop().
    stop = close

    def _must_suit(self, theirs):
        if theirs.port == 0:
            return
        wanted = "RTP/SAVP" if self._suites else "RTP/AVP"
        require(theirs.profile.startswith(wanted) and theirs.profile.rstrip("F") == wanted,
                f"{self.peer.user} was told {theirs.profile}, not {wanted}")
        require(bool(theirs.cryptos) == bool(self._suites),
                f"{self.peer.user} got {len(theirs.cryptos)} crypto lines with {theirs.profile}")


class ScriptedCall:
    """A call between two scripted phones, with the dialog of each."""

    def __init__(self, caller, callee, caller_dialog, callee_dialog):
        self.caller = caller
        self.callee = callee
        self.caller_dialog = caller_dialog
        self.callee_dialog = callee_dialog

    @classmethod
    def connect(cls, caller, callee, kinds=("audio",), choice=0):
        """Offer in the INVITE, answer in the 200."""
        body = caller.offer(kinds)
        invite = caller.peer.invite(callee.uri, body)
        request = callee.peer.expect("INVITE")
        callee.peer.send(callee.peer.reply(request, 180, "Ringing"))
        caller.peer.expect(180, call_id=invite.get("Call-ID"))
        answer = callee.peer.reply(request, 200, "OK", body=callee.answer(request.body, choice=choice))
        callee.peer.send(answer)
        accepted = caller.peer.expect(200, call_id=invite.get("Call-ID"))
        caller.take_answer(accepted.body)
        return cls.acknowledge(caller, callee, accepted, request, answer)

    @classmethod
    def acknowledge(cls, caller, callee, accepted, request, answer, body=""):
        caller_dialog = SipDialog.of_caller(caller.peer, accepted)
        caller_dialog.send("ACK", body=body)
        ack = callee.peer.expect("ACK")
        call = cls(caller, callee, caller_dialog, SipDialog.of_callee(callee.peer, request, answer))
        call.ack = ack
        return call

    def reinvite(self, offerer, answerer, body, direction="sendrecv"):
        """A re-INVITE with this offer from one of the two phones; returns the offer the other saw."""
        dialog = self.caller_dialog if offerer is self.caller else self.callee_dialog
        dialog.send("INVITE", body=body)
        request = answerer.peer.expect("INVITE")
        answerer.peer.send(answerer.peer.reply(request, 200, "OK",
                                               body=answerer.answer(request.body, direction)))
        offerer.take_answer(offerer.peer.expect(200).body)
        dialog.send("ACK")
        answerer.peer.expect("ACK")
        return request.body

    def talk(self, seconds=0.5, tone_hz=440, other_hz=1000):
        """Both talk at once, stream by stream, until each has heard the other."""
        for number, (one, other) in enumerate(zip(self.caller.streams, self.callee.streams)):
            # The first packets open the way through NAT and latch; to lose those is no failure.
            for _ in range(4):
                converse(one.rtp, other.rtp, tone_hz, other_hz, seconds)
                if all(_is_clear(rtp, tone, seconds)
                       for rtp, tone in ((other.rtp, tone_hz), (one.rtp, other_hz))):
                    break
            else:
                raise AssertionError(
                    f"stream {number}: to the callee {_heard(other.rtp, tone_hz)}, "
                    f"to the caller {_heard(one.rtp, other_hz)}")

    def report(self):
        """Sender reports each way until each end has one of the other; the first open the way."""
        ends = (self.caller.rtp, self.callee.rtp)
        before = [len(rtp.received_rtcp) for rtp in ends]
        for _ in range(6):
            for rtp in ends:
                rtp.send_sender_report()
            came = [rtp.listen_until(lambda r, b=seen: len(r.received_rtcp) > b, 0.5)
                    for rtp, seen in zip(ends, before)]
            if all(came):
                return
        raise AssertionError(f"RTCP reached caller and callee: {came}")

    def end(self, by_callee=False):
        who, other = (self.callee, self.caller) if by_callee else (self.caller, self.callee)
        dialog = self.callee_dialog if by_callee else self.caller_dialog
        dialog.send("BYE")
        other.peer.send(other.peer.reply(other.peer.expect("BYE"), 200, "OK"))
        who.peer.expect(200)
        self.caller.end_media()
        self.callee.end_media()


def _is_clear(rtp, tone_hz, seconds):
    return len(rtp.received) >= 0.8 * seconds * 50 and rtp.heard(tone_hz) > 0.8


def _heard(rtp, tone_hz):
    return (f"{len(rtp.received)} packets, {rtp.rejected} not authentic, "
            f"share of the tone {rtp.heard(tone_hz):.2f}")


def many_calls(lab, count):
    """So many calls, each with a stream and ports of its own, between two phones of one registration each."""
    outside, inside = registered_pair(lab)
    calls = []
    for _ in range(count):
        caller = ScriptedPhone(outside.peer, lab.spaces["home"], plan.HOME.host4, ALL_SUITES[:1])
        callee = ScriptedPhone(inside.peer, lab.spaces["desk"], plan.DESK.host4)
        calls.append(ScriptedCall.connect(caller, callee))
    return calls


def outlive_dataplanes(lab):
    """One call talks on while the dataplane of each node is killed and comes back."""
    call = ScriptedCall.connect(*registered_pair(lab))
    call.talk(0.3)
    for node in (lab.edge, lab.core):
        node.kill_dataplane()
        node.start_dataplane()
        node.wait_answer(lambda status: status["dataplane"]["running"], "a running dataplane")
        call.talk(0.5)
    call.end()
