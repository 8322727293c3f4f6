# SPDX-License-Identifier: Apache-2.0
"""Nothing drops: twenty thousand packets a second through both nodes while parts of them are killed, reloaded or cut off."""
import time
from types import SimpleNamespace

from lab import firewall, plan, sdp
from lab.media_flood import MediaFlood, targets
from lab.media_load import MediaLoad
from lab.report import require
from lab.rtp_peer import RtpPeer
from lab.scripted_phone import ScriptedCall, registered_pair

CALLS = 10
PACKETS_PER_S = 1000  # of each call and direction
WRAPS_PER_S = 10000  # of the one call whose sequence numbers run
MOST_PACKETS_PER_S = 2 * WRAPS_PER_S
WRAPS, LONG_WRAPS = 4, 55  # an hour of a call at 1,000 packets a second has 55
GAP = 500
CUT_S = 10
FLOOD_PER_S = 5000
FLOOD_S = 5
COUNTS_LOSS = True


def setup(lab):
    lab.start_peers()
    lab.start_nodes(max_packets_per_s=MOST_PACKETS_PER_S)
    calls = [ScriptedCall.connect(*registered_pair(lab)) for _ in range(CALLS)]
    for call in calls:
        call.talk(0.2)
    stage = SimpleNamespace(lab=lab, calls=calls)
    # What this machine does undisturbed; without it no loss below would mean anything.
    with _load(stage) as load:
        _go_on(load, 1)
        tally = load.stop()
    require(tally.lost == 0, f"undisturbed: {tally}")
    return stage


def _load(stage):
    return MediaLoad(stage.lab.build, stage.calls, PACKETS_PER_S)


def _go_on(load, seconds):
    """Until so much more has come at both ends; an end that hears nothing is what the tally is for."""
    enough = CALLS * PACKETS_PER_S * seconds
    begin = load.report()
    deadline = time.monotonic() + 10 * seconds
    while time.monotonic() < deadline:
        now = load.report()
        if all(after.received - before.received >= enough for before, after in
               ((begin.to_callee, now.to_callee), (begin.to_caller, now.to_caller))):
            return
        time.sleep(0.05)


def _hold_and_resume(call):
    seen = call.reinvite(call.caller, call.callee, call.caller.offer(direction="sendonly"), "recvonly")
    require(sdp.streams_of(seen)[0].direction == "sendonly", "the hold did not arrive")
    call.reinvite(call.callee, call.caller, call.callee.offer())


def _is_known(node, ids):
    node.wait_answer(lambda listed: ids <= {call["id"] for call in listed}, "the calls that go on", words=("calls", "--active"))


def _without_a_control_plane(stage, *nodes):
    ids = {node: {call["id"] for call in node.ask("calls", "--active")} for node in nodes}
    with _load(stage) as load:
        _go_on(load, 0.5)
        for node in nodes:
            node.kill_controlplane()
        _go_on(load, 0.5)
        for node in nodes:
            node.start_controlplane()
        for node in nodes:
            _is_known(node, ids[node])
        stage.lab.await_traversal(45)
        _go_on(load, 0.5)
        tally = load.stop()
    require(tally.lost == 0 and tally.to_callee.repeated == 0, str(tally))
    if stage.lab.edge in nodes:
        for call in stage.calls:  # its clients' connections ended with it
            call.caller.reconnect()
    for call in stage.calls[:2]:
        call.talk(0.2)
        _hold_and_resume(call)
        call.talk(0.2)
    return tally


def test_killing_the_control_plane_of_e_loses_nothing(stage):
    return _without_a_control_plane(stage, stage.lab.edge)


def test_killing_the_control_plane_of_c_loses_nothing(stage):
    return _without_a_control_plane(stage, stage.lab.core)


def test_killing_both_control_planes_loses_nothing(stage):
    return _without_a_control_plane(stage, stage.lab.edge, stage.lab.core)


def test_reloading_configuration_and_certificates_loses_nothing(stage):
    with _load(stage) as load:
        for node in (stage.lab.edge, stage.lab.core):
            _go_on(load, 0.3)
            mark = node.controlplane.mark()
            node.reload()
            node.controlplane.wait_for(r"(?i)reload", 10, since=mark)
            node.sallyport("apply", "--yes", node.site_path)
            _go_on(load, 0.3)
        tally = load.stop()
    require(tally.lost == 0, str(tally))
    return tally


def _without_a_dataplane(stage, node):
    with _load(stage) as load:
        _go_on(load, 0.5)
        node.kill_dataplane()
        node.start_dataplane()
        node.wait_answer(lambda status: status["dataplane"]["running"], "a running dataplane")
        _go_on(load, 0.5)
        tally = load.stop()
    # Rollover counts, replay windows and latches were kept: nothing is taken twice, everything verifies, and the calls go on.
    require(tally.to_callee.rejected == tally.to_caller.rejected == 0, str(tally))
    require(tally.to_callee.repeated == tally.to_caller.repeated == 0, str(tally))
    for call in stage.calls[:2]:
        call.talk(0.2)
        _hold_and_resume(call)
        call.talk(0.2)
    return f"{tally}, silence of {tally.longest_gap_ms:.0f} ms"


def test_killing_the_dataplane_of_e_costs_a_moment_and_no_call(stage):
    return _without_a_dataplane(stage, stage.lab.edge)


def test_killing_the_dataplane_of_c_costs_a_moment_and_no_call(stage):
    return _without_a_dataplane(stage, stage.lab.core)


def test_calls_resume_when_the_link_between_e_and_c_is_cut_and_comes_back(stage):
    with _load(stage) as load:
        _go_on(load, 0.5)
        with firewall.cut(stage.lab.spaces["firewall"]):
            time.sleep(CUT_S)
        _go_on(load, 0.5)
        tally = load.stop()
    require(tally.longest_gap_ms > CUT_S * 1000 - 100, f"the link was not cut: silence of {tally.longest_gap_ms:.0f} ms")
    stage.lab.await_traversal(45)
    for call in stage.calls[:2]:
        call.talk(0.2)
        _hold_and_resume(call)
    return f"media was back {tally.longest_gap_ms - CUT_S * 1000:.0f} ms after the link"


def test_phones_whose_nat_binding_changes_are_followed_and_nobody_else(stage):
    """Every phone goes on from another port while a stranger with keys of his own sends RTP to the same relay ports."""
    home = stage.lab.spaces["home"]
    spares = [RtpPeer(home, plan.HOME.host4) for _ in stage.calls]
    with MediaLoad(stage.lab.build, stage.calls, PACKETS_PER_S, spares=spares) as load:
        _go_on(load, 1)
        before = _latches(stage)
        with MediaFlood(stage.lab, targets(stage.lab), "wrong_tags", FLOOD_PER_S, FLOOD_S) as flood:
            _go_on(load, 0.5)
            for number, spare in enumerate(spares):
                load.rebind(number, spare)
            stage.lab.edge.wait_answer(lambda flows: not before & _latches_of(flows), "ten latches that moved", words=("flows",))
            moved = load.report()
            load.mark()
            dropped = [node.drops() for node in (stage.lab.edge, stage.lab.core)]
            _go_on(load, 0.5)
            flooded = flood.wait()
            tally = load.stop()
    require(tally.lost == 0, f"once they were found again: {tally} during {flooded}; dropped at E and C: {_grown(stage, dropped)}")
    home_router = plan.HOME_ROUTER_WAN.host4
    strangers = [latch for latch in _latches(stage) if not latch.startswith(f"{home_router}:")]
    require(not strangers, f"E sends to {strangers}")
    for spare in spares:
        spare.close()
    return f"{moved.lost} packets lost until all ten were found again, then {tally} during {flooded}"


def _grown(stage, before):
    """Of each node the drop reasons whose count has grown."""
    return [{reason: count - then.get(reason, 0) for reason, count in node.drops().items() if count > then.get(reason, 0)} for node, then in zip((stage.lab.edge, stage.lab.core), before)]


def _latches_of(flows):
    return {flow["stream"]["remote"] for flow in flows if flow["stream"]["latch"] == "confirmed" and flow["stream"]["component"] == "rtp"}


def _latches(stage):
    return _latches_of(stage.lab.edge.ask("flows"))


def test_sequence_numbers_wrap_at_speed_with_loss_around_the_wrap(stage):
    """Both ways; four wraps are the numbers of an hour and more of speech."""
    wraps = LONG_WRAPS if stage.lab.is_long else WRAPS
    with MediaLoad(stage.lab.build, stage.calls[:1], WRAPS_PER_S, first_sequence=65536 - 2 * GAP, gap=GAP) as load:
        wanted = (wraps - 1) * 65536 + 4 * GAP
        deadline = time.monotonic() + 10 * wanted / WRAPS_PER_S
        while min(flow.sent for flow in (load.report().to_callee, load.report().to_caller)) < wanted - 2 * GAP * wraps:
            require(time.monotonic() < deadline, "the stream does not get on")
            time.sleep(0.2)
        tally = load.stop()
    require(tally.lost == 0, f"more than what was withheld: {tally}")
    require(tally.to_callee.repeated == tally.to_caller.repeated == 0, str(tally))
    return f"{wraps} wraps, {tally}"


def test_the_calls_are_hung_up_as_if_nothing_had_been(stage):
    for number, call in enumerate(stage.calls):
        call.end(by_callee=number % 2 == 1)
    for node in (stage.lab.edge, stage.lab.core):
        node.wait_answer(lambda calls: not calls, "the end of the calls", words=("calls", "--active"))
        node.wait_answer(lambda flows: not flows, "the end of their flows", words=("flows",))
