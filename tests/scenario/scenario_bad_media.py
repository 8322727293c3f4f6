# SPDX-License-Identifier: Apache-2.0
"""Bad datagrams on relay ports: each kind is dropped under its own reason, and the call goes on."""
import os
import struct
from contextlib import contextmanager
from types import SimpleNamespace

from lab import plan, srtp
from lab.report import require
from lab.rtp_peer import RtpPeer
from lab.witness import Witness

DROPS = "sallyport_dataplane_drops_total"
STUN_BINDING = struct.pack("!HHI", 0x0001, 0, 0x2112A442) + b"twelve bytes"
COUNT = 20  # each kind so often: well below the rate at which a flow is policed


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    witness = Witness(lab)
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, witness=witness,
                           rtp=witness.outside.rtp)


def _header(payload_type=0, sequence=1, ssrc=0x5A5A5A5A):
    return struct.pack("!BBHII", 0x80, payload_type, sequence, 160 * sequence, ssrc)


def _dropped(stage, node, reason, datagrams, to_rtcp=False):
    """From the phone's own, latched address: the kind that only its content gives away."""
    with node.counting(DROPS, len(datagrams), reason=reason):
        for datagram in datagrams:
            stage.rtp.send_raw(datagram, to_rtcp)
    stage.witness.require_unharmed()


def test_stun_is_not_rtp(stage):
    _dropped(stage, stage.edge, "not_rtp", [STUN_BINDING] * COUNT)


def test_dtls_is_not_rtp(stage):
    hello = bytes([22, 254, 255]) + bytes(10) + os.urandom(60)
    _dropped(stage, stage.edge, "not_rtp", [hello] * COUNT)


def test_random_bytes(stage):
    """The first two bits decide whether it can be RTP at all; here they never say version 2."""
    noise = [bytes([number % 64]) + os.urandom(20 + number) for number in range(COUNT)]
    _dropped(stage, stage.edge, "not_rtp", noise)


def test_truncated_rtp(stage):
    _dropped(stage, stage.edge, "truncated", [_header()[:size] for size in range(1, 12)])


def test_oversized_rtp(stage):
    """It fills a packet of the MTU, and with the multiplexID on the way to C it would be longer."""
    _dropped(stage, stage.edge, "above_mtu", [_header() + bytes(1460)] * COUNT)


def test_fragmented_rtp(stage):
    """AF_PACKET hands them over put together again, and then too long for a frame."""
    stranger = RtpPeer(stage.lab.spaces["internet"], plan.INTERNET_EDGE.host4)
    stranger.set_remote(*stage.rtp.remote)
    with stage.edge.counting(DROPS, COUNT, reason="bad_length"):
        for _ in range(COUNT):
            stranger.send_raw(_header() + bytes(4000))
    stranger.close()
    stage.witness.require_unharmed()


def test_rtp_that_nobody_sealed(stage):
    packets = [_header(sequence=number) + os.urandom(170) for number in range(COUNT)]
    _dropped(stage, stage.core, "auth_failed", packets)


def test_rtp_sealed_with_another_key(stage):
    suite = stage.witness.outside.streams[0].suite
    forger = srtp.Session(suite, srtp.new_inline(suite))
    packets = [forger.protect(_header(sequence=number) + bytes(160)) for number in range(COUNT)]
    _dropped(stage, stage.core, "auth_failed", packets)


def test_a_genuine_packet_with_one_bit_turned(stage):
    """None of these was seen before: what was would be a replay, whatever its tag."""
    with _noting(stage, deliver=False) as made:
        for _ in range(COUNT):
            stage.rtp.send_tone(440)
    packets = [packet[:-1] + bytes([packet[-1] ^ 1]) for packet in made]
    _dropped(stage, stage.core, "auth_failed", packets)


def test_replayed_rtp(stage):
    with _noting(stage) as made:
        stage.witness.call.talk(0.4)
    _dropped(stage, stage.core, "replay", made[-10:])


def test_rtcp_that_is_no_rtcp(stage):
    packets = [struct.pack("!BBHI", 0x80, 200, 6, number) + os.urandom(40) for number in range(COUNT)]
    _dropped(stage, stage.core, "auth_failed", packets, to_rtcp=True)
    stage.witness.call.report()


def test_a_flood_of_one_source_is_policed(stage):
    """A stranger sends ten times what one candidate may; the call beside it hears nothing of it."""
    stranger = RtpPeer(stage.lab.spaces["internet"], plan.INTERNET_EDGE.host4)
    stranger.set_remote(*stage.rtp.remote)
    drops = stage.edge.counter(DROPS)
    for number in range(2000):
        stranger.send_raw(_header(sequence=number) + bytes(160))
    stage.witness.require_unharmed()
    require(not stranger.listen_until(lambda s: s.received, 0.2), "E sent media to the stranger")
    grown = stage.edge.counter(DROPS) - drops
    require(grown >= 1500, f"only {grown:.0f} of 2000 packets were dropped at E")
    stranger.close()


def test_a_relay_port_without_a_call(stage):
    stranger = RtpPeer(stage.lab.spaces["internet"], plan.INTERNET_EDGE.host4)
    stranger.set_remote(plan.EDGE_OUTSIDE.host4, plan.RELAY_PORTS[1] - 1)
    with stage.edge.counting(DROPS, COUNT, reason="no_flow"):
        for number in range(COUNT):
            stranger.send_raw(_header(sequence=number) + bytes(160))
    stranger.close()
    stage.witness.require_unharmed()


def test_the_media_link_takes_nothing_from_strangers(stage):
    """Multiplexed packets must come from C: somebody else in the DMZ gets none in."""
    stranger = RtpPeer(stage.lab.spaces["firewall"], plan.FIREWALL_DMZ.host4)
    stranger.set_remote(plan.EDGE_INSIDE.host4, plan.MEDIA_MUX_PORTS[0])
    before = stage.edge.counter(DROPS)
    for number in range(COUNT):
        stranger.send_raw(struct.pack("!I", number) + _header(sequence=number) + bytes(160))
    stage.witness.require_unharmed()
    require(stage.edge.counter(DROPS) >= before + COUNT, "they were not counted as dropped")
    stranger.close()


@contextmanager
def _noting(stage, deliver=True):
    """Yields the list of what the phone sends within the block, sealed as it leaves."""
    made = []
    send_raw = stage.rtp.send_raw

    def note(datagram, to_rtcp=False):
        made.append(datagram)
        if deliver:
            send_raw(datagram, to_rtcp)

    stage.rtp.send_raw = note
    try:
        yield made
    finally:
        del stage.rtp.send_raw
