# SPDX-License-Identifier: Apache-2.0
"""What the operator is told of a call's quality: round trips by RTCP, estimated MOS, and the leg that is bad."""
import re
from types import SimpleNamespace

from lab.impairment import Loss
from lab.report import require
from lab.rtp_peer import converse
from lab.scripted_phone import ScriptedCall, registered_pair

DISTANCE_S = 0.5
LOSS_EVERY = 10
LOSSY_TALK_S = 4


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core)


def _new_call(stage):
    """The call, and its ID on either node."""
    nodes = (stage.edge, stage.core)
    before = [{call["id"] for call in node.ask("calls")} for node in nodes]
    call = ScriptedCall.connect(*registered_pair(stage.lab))
    call.talk(0.6)
    ids = [next(c["id"] for c in node.ask("calls", "--active") if c["id"] not in known)
           for node, known in zip(nodes, before)]
    return call, dict(zip(nodes, ids))


def _streams(shown, side):
    """RTP of one leg: what arrives at the node, and what leaves it."""
    leg = next(leg for leg in shown["legs"] if leg["side"] == side)
    rtp = [stream for stream in leg["streams"] if stream["component"] == "rtp"]
    return tuple(next(s for s in rtp if s["direction"].startswith(way)) for way in ("from_", "to_"))


def _exchange_reports(call, times=3):
    for _ in range(times):
        call.report()
        converse(call.caller.rtp, call.callee.rtp, 440, 1000, DISTANCE_S + 0.1)


def test_c_tells_round_trip_and_mos_of_each_leg_and_direction(stage):
    call, ids = _new_call(stage)
    call.caller.rtp.distance_s = DISTANCE_S
    _exchange_reports(call)
    core = stage.core
    shown = core.wait_answer(lambda c: all(s["round_trip_ms"] is not None and s["mos"] is not None
                                           for side in ("inside", "traversal") for s in _streams(c, side)),
                             "round trip and MOS of both legs", words=("calls", "show", ids[core]))
    outside, inside = (_streams(shown, side)[0]["round_trip_ms"] for side in ("traversal", "inside"))
    require(DISTANCE_S * 1000 <= outside, f"the phone outside seems only {outside} ms away")
    require(inside < outside, f"round trips: {inside} ms inside, {outside} ms outside")
    for side in ("inside", "traversal"):
        arriving, leaving = _streams(shown, side)
        require((arriving["told_by"], leaving["told_by"]) == ("measured", "reported"),
                f"{side}: {arriving['told_by']}, {leaving['told_by']}")
        require(all(1 <= s["mos"] <= 4.5 for s in (arriving, leaving)), f"{side}: MOS out of its range")
    text = core.sallyport("calls", "show", ids[core])
    for word in ("ROUND TRIP ms", "MOS", "RTCP seen in clear", "G.113: G.711"):
        require(word in text, f"{word} is missing in\n{text}")
    flows = [f["stream"] for f in core.ask("flows") if f["call"] == ids[core]]
    require(any(s["round_trip_ms"] == outside or s["mos"] for s in flows), "`flows` tells no quality")
    call.end()
    return f"round trip {outside:.0f} ms outside, of which {DISTANCE_S * 1000:.0f} are feigned, {inside:.1f} ms inside"


def test_e_says_that_it_does_not_see_rtcp(stage):
    call, ids = _new_call(stage)
    _exchange_reports(call, 2)
    edge = stage.edge
    shown = edge.ask("calls", "show", ids[edge])
    for side in ("client", "traversal"):
        arriving, leaving = _streams(shown, side)
        require(arriving["round_trip_ms"] is None and leaving["mos"] is None, f"{side}: E knows what it cannot")
        require(arriving["mos"] is not None, f"{side}: no MOS of what arrives")
    require("RTCP sealed, not seen here" in edge.sallyport("calls", "show", ids[edge]), "E does not say so")
    call.end()


def _require_named(node, call_id, text):
    """The call's page and the list of calls name this leg."""
    shown = node.wait_answer(lambda c: c["worst_leg"].startswith(text), f"a worst leg {text!r}",
                             words=("calls", "show", call_id))
    percent = float(re.search(r": ([\d.]+) % lost", shown["worst_leg"])[1])
    require(3 < percent < 15, f"{node.role}: every {LOSS_EVERY}th was lost, shown is {shown['worst_leg']}")
    require(shown["worst_leg"] in node.sallyport("calls"), f"{node.role}: `calls` does not name the leg")
    return shown["worst_leg"]


def test_loss_on_the_way_from_the_phone_outside_is_named_by_both_nodes(stage):
    call, ids = _new_call(stage)
    rtp = call.caller.rtp
    with Loss(stage.lab.spaces["homertr"], "forward", f"udp sport {rtp.port}", LOSS_EVERY):
        converse(rtp, call.callee.rtp, 440, 1000, LOSSY_TALK_S)
    named = {_require_named(node, call_id, "outside leg, from the phone: ") for node, call_id in ids.items()}
    call.end()
    return "; ".join(named)


def test_loss_on_the_way_to_the_phone_inside_is_named_by_c_alone(stage):
    """C never sees what is lost behind it; the phone's reports tell."""
    call, ids = _new_call(stage)
    _exchange_reports(call, 1)
    with Loss(stage.lab.spaces["desk"], "input", f"udp dport {call.callee.rtp.port}", LOSS_EVERY):
        converse(call.caller.rtp, call.callee.rtp, 440, 1000, LOSSY_TALK_S)
    _exchange_reports(call, 1)
    named = _require_named(stage.core, ids[stage.core], "inside leg, to the phone: ")
    told = stage.edge.ask("calls", "show", ids[stage.edge])["worst_leg"]
    require("to the phone" not in told, f"E tells {told!r}")
    call.end()
    return named
