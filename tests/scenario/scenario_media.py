# SPDX-License-Identifier: Apache-2.0
"""Media under attack and across restarts: forged, replayed and odd packets; either process killed."""
import random
import signal
import struct
import time
from types import SimpleNamespace

from lab import plan, sdp
from lab.conversation import Conversation
from lab.report import require
from lab.rtp_peer import RtpPeer
from lab.scripted_phone import ScriptedCall, outlive_dataplanes, registered_pair


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab)


def _stranger(stage, phone):
    """Somebody on the internet who aims at the relay port that the phone was told."""
    stranger = RtpPeer(stage.lab.spaces["internet"], plan.INTERNET_EDGE.host4)
    stranger.set_remote(*phone.rtp.remote)
    return stranger


def test_forged_packets_before_the_first_genuine_one_do_not_steal_the_stream(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    stranger = _stranger(stage, outside)
    for _ in range(50):
        stranger.send_tone(700)
    call.talk(0.5)
    require(not stranger.listen_until(lambda s: s.received, 0.5), "E sent media to the stranger")
    require(inside.rtp.heard(700) < 0.1, "the forged tone arrived inside")
    call.end()
    stranger.close()


def test_forged_packets_during_and_after_change_nothing(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.3)
    stranger = _stranger(stage, outside)
    for _ in range(200):
        stranger.send_tone(700)
    call.talk(0.5)
    require(not stranger.received, "E sent media to the stranger")
    call.end()
    for _ in range(50):
        stranger.send_tone(700)
    require(not stranger.listen_until(lambda s: s.received, 0.5), "E answered after the call")
    stranger.close()


def test_replayed_packets_are_dropped(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.3)
    sent = []
    send_raw = outside.rtp.send_raw
    outside.rtp.send_raw = lambda datagram, to_rtcp=False: (sent.append(datagram),
                                                             send_raw(datagram, to_rtcp))
    outside.rtp.talk(440, 0.2)
    outside.rtp.send_raw = send_raw
    require(inside.rtp.listen_until(lambda r: len(r.received) >= len(sent), 2), "media stopped")
    before = list(inside.rtp.sequence_numbers())
    for datagram in sent:
        outside.rtp.send_raw(datagram)
    outside.rtp.talk(440, 0.2)
    inside.rtp.listen_until(lambda r: len(r.received) >= len(before) + 10, 2)
    numbers = inside.rtp.sequence_numbers()
    require(len(numbers) == len(set(numbers)), "a replayed packet was passed on")
    call.end()


def test_odd_datagrams_on_relay_ports_lose_nothing(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.3)
    dice = random.Random(4711)
    stun = struct.pack("!HHI", 0x0001, 0, 0x2112A442) + dice.randbytes(12)
    header = struct.pack("!BBHII", 0x80, 0, 1, 1, 1)
    for datagram in (b"", b"\x80", header, header[:11], stun, bytes(1400), dice.randbytes(1472),
                     b"\x9f" + header[1:], b"\x90" + header[1:] + b"\xff\xff\xff\xff",
                     *(dice.randbytes(dice.randrange(1, 200)) for _ in range(200))):
        outside.rtp.send_raw(datagram)
        outside.rtp.send_raw(datagram, to_rtcp=True)
    call.talk(0.5)
    call.report()
    call.end()


def test_a_call_survives_the_restart_of_each_control_plane(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.3)
    for node in (stage.lab.edge, stage.lab.core):
        node.kill_controlplane()
        call.talk(0.3)
        node.start_controlplane()
        node.wait_ready()
        call.talk(0.3)
    stage.lab.await_traversal(45)
    call.talk(0.3)
    inside.end_media()
    outside.end_media()


def _ids(node, *words):
    return {call["id"] for call in node.ask("calls", *words)}


def _calls_of(lab, count):
    """So many calls, each talked over, and how either node names them."""
    before = {node: _ids(node) for node in (lab.edge, lab.core)}
    calls = [ScriptedCall.connect(*registered_pair(lab)) for _ in range(count)]
    for call in calls:
        call.talk(0.3)
    ids = {node: _ids(node, "--active") - before[node] for node in before}
    require(all(len(each) == count for each in ids.values()), f"listed: {list(ids.values())}")
    return calls, ids


def _await_removal(ids, timeout_s=10):
    """Neither node lists the calls any more, nor runs a flow of theirs."""
    for node, gone in ids.items():
        node.wait_answer(lambda calls, g=gone: not g & {c["id"] for c in calls}, "the end of the calls",
                         timeout_s, words=("calls", "--active"))
        node.wait_answer(lambda flows, g=gone: not g & {f["call"] for f in flows}, "the end of their flows",
                         words=("flows",))


def _outlive(lab, node):
    calls, ids = _calls_of(lab, 2)
    with Conversation(calls[0]) as talk:
        talk.go_on(0.2)
        node.kill_controlplane()
        node.start_controlplane()
        node.wait_answer(lambda listed: ids[node] <= {c["id"] for c in listed}, "the calls that go on",
                         words=("calls", "--active"))
        lab.await_traversal(45)
        talk.go_on(0.5)
    talk.require_whole()
    for call in calls:
        if node is lab.edge:  # its clients' connections ended with it
            call.caller.reconnect()
        call.talk(0.3)
        seen = call.reinvite(call.caller, call.callee, call.caller.offer(direction="sendonly"), "recvonly")
        require(sdp.streams_of(seen)[0].direction == "sendonly", "the hold did not arrive")
        call.reinvite(call.callee, call.caller, call.callee.offer())
        call.talk(0.3)
    calls[0].end()
    calls[1].end(by_callee=True)
    _await_removal(ids)


def test_a_call_loses_nothing_when_the_control_plane_of_c_is_killed_and_is_hung_up(stage):
    _outlive(stage.lab, stage.lab.core)


def test_a_call_loses_nothing_when_the_control_plane_of_e_is_killed_and_is_hung_up(stage):
    _outlive(stage.lab, stage.lab.edge)


def test_a_call_that_ended_while_a_control_plane_was_away_is_removed(stage):
    lab = stage.lab
    calls, ids = _calls_of(lab, 1)
    for node in (lab.edge, lab.core):
        node.kill_controlplane()
    calls[0].caller.end_media()
    calls[0].callee.end_media()
    for node in (lab.edge, lab.core):
        node.start_controlplane()
        node.wait_answer(lambda listed, n=node: ids[n] <= {c["id"] for c in listed}, "the call of before",
                         words=("calls", "--active"))
    lab.await_traversal(45)
    _await_removal(ids, timeout_s=60)


def test_media_goes_on_within_a_second_when_a_dataplane_is_killed(stage):
    outlive_dataplanes(stage.lab)


def test_a_dead_dataplane_refuses_calls_with_503_and_recovers(stage):
    outside, inside = registered_pair(stage.lab)
    core = stage.lab.core
    core.kill_dataplane()
    core.wait_answer(lambda status: not status["dataplane"]["running"], "an absent dataplane")
    invite = outside.peer.send(outside.peer.request("INVITE", inside.uri, body=outside.offer()))
    outside.peer.acknowledge(invite, outside.peer.expect(503))
    outside.end_media()
    core.start_dataplane()
    core.wait_answer(lambda status: status["dataplane"]["running"], "a running dataplane")
    stage.lab.await_traversal()
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.3)
    call.end()


def test_reload_keeps_the_call(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    for node in (stage.lab.edge, stage.lab.core):
        mark = node.controlplane.mark()
        node.reload()
        node.controlplane.wait_for(r"(?i)reload", 10, since=mark)
        call.talk(0.3)
    call.end()


def test_a_term_signal_drains_and_ends_within_its_deadline(stage):
    outside, _ = registered_pair(stage.lab)
    outside.close()
    begin = time.monotonic()
    stage.lab.edge.controlplane.signal(signal.SIGTERM)
    code = stage.lab.edge.controlplane.wait(30)
    require(code == 0, f"E's control plane ended with {code} after {time.monotonic() - begin:.0f} s")
