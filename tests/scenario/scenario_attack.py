# SPDX-License-Identifier: Apache-2.0
"""One source floods while five hundred calls run: they keep 99.9 % of their packets, and what was dropped has a name.

Nodes, peers, load and flood share the machine's cores, so the flood's rate is one that leaves the nodes theirs; each case tells it.
"""
import json
import time
from types import SimpleNamespace

from lab import plan
from lab.media_flood import STRANGER, MediaFlood, targets
from lab.media_load import MediaLoad
from lab.report import require
from lab.scripted_phone import many_calls

CALLS = 500
PACKETS_PER_S = 10  # of each call and direction
FLOOD_PER_S = 20000
FLOOD_S, LONG_FLOOD_S = 2, 60
GOODPUT = 0.999
FLOWS = ("flows", "--limit", "4000")
COUNTS_LOSS = True


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    # So that a redirect or an ARP question to the stranger has an answer, and could be believed.
    lab.spaces.add_address("internet", plan.INTERNET_EDGE.interface, f"{STRANGER}/24")
    stage = SimpleNamespace(lab=lab, calls=many_calls(lab, CALLS))
    # The first packets open the way through NAT and latch; to lose those is no failure.
    with _load(stage) as load:
        _await_latches(lab)
        load.stop()
    with _load(stage) as load:
        time.sleep(1)
        tally = load.stop()
    require(tally.lost == 0, f"undisturbed: {tally}")
    return stage


def _load(stage):
    return MediaLoad(stage.lab.build, stage.calls, PACKETS_PER_S)


def _await_latches(lab):
    def are_latched(flows):
        return sum(flow["stream"]["latch"] == "confirmed" for flow in flows) >= CALLS

    lab.edge.wait_answer(are_latched, f"{CALLS} latched flows", words=FLOWS)


def _grown(node, before):
    return {reason: value - before.get(reason, 0) for reason, value in node.drops().items()}


def _flood(stage, kind, flows=CALLS, is_counted_by_frame=True, first_s=0):
    """What came of it; a reason that the flood names must have been counted as often as it was deserved."""
    nodes = (stage.lab.edge, stage.lab.core)
    before = [node.drops() for node in nodes]
    with _load(stage) as load:
        time.sleep(first_s)
        with MediaFlood(stage.lab, targets(stage.lab, flows), kind, FLOOD_PER_S,
                        LONG_FLOOD_S if stage.lab.is_long else FLOOD_S) as flood:
            flooded = flood.wait()
        tally = load.stop()
    at_edge, at_core = (_grown(node, counted) for node, counted in zip(nodes, before))
    sent = tally.to_callee.sent + tally.to_caller.sent
    require(sent - tally.lost >= GOODPUT * sent, f"{tally} during {flooded}; E dropped {at_edge}, C {at_core}")
    # A frame that found the port's ring full was dropped by the kernel: a good one would be missed above.
    for reason, count in flooded.drops.items() if is_counted_by_frame else ():
        require(at_edge[reason] >= 0.95 * count, f"E counted {at_edge[reason]:.0f} of {count} as {reason}")
    return SimpleNamespace(flooded=flooded, tally=tally, at_edge=at_edge, at_core=at_core)


def _told(outcome, *more):
    named = {reason: int(count) for reason, count in outcome.at_edge.items() if count >= 100}
    return "; ".join([f"{outcome.tally} during {outcome.flooded}", f"E dropped {named}", *more])


def test_junk_on_relay_ports(stage):
    return _told(_flood(stage, "junk"))


def test_rtp_of_a_stranger_under_no_key(stage):
    """Of each stranger a few packets go on to C, in case it is a phone that moved; the rest is policed."""
    outcome = _flood(stage, "wrong_tags", flows=20)
    at_edge, at_core = outcome.at_edge, outcome.at_core
    dropped = at_edge["policed"] + at_edge["too_many_candidates"] + at_core["auth_failed"]
    require(dropped >= 0.95 * outcome.flooded.undecided, f"E dropped {at_edge}, C {at_core}")
    return _told(outcome, f"C found {at_core['auth_failed']:.0f} tags wrong")


def test_a_stranger_who_knocks_at_every_port(stage):
    """No flow polices him, as he sends each only a little; what C has to judge of him is bounded all the same."""
    outcome = _flood(stage, "wrong_tags")
    at_edge, at_core = outcome.at_edge, outcome.at_core
    dropped = at_edge["policed"] + at_edge["too_many_candidates"] + at_core["auth_failed"]
    require(dropped >= 0.95 * outcome.flooded.undecided, f"E dropped {at_edge}, C {at_core}")
    require(at_core["auth_failed"] <= outcome.flooded.undecided / 3, f"C had to judge {at_core['auth_failed']:.0f}")
    return _told(outcome, f"C found {at_core['auth_failed']:.0f} tags wrong")


def test_rtp_in_the_phones_names_under_no_key(stage):
    outcome = _flood(stage, "forged_source")
    dropped = outcome.at_edge["policed"] + outcome.at_core["auth_failed"]
    require(dropped >= 0.95 * outcome.flooded.undecided, f"E dropped {outcome.at_edge}, C {outcome.at_core}")
    return _told(outcome, f"C found {outcome.at_core['auth_failed']:.0f} tags wrong")


def test_the_whole_flood_in_one_phones_name(stage):
    """E cannot tell who is who by the address, but it has heard the stream before: even that call loses nothing."""
    outcome = _flood(stage, "forged_source", flows=1, first_s=4)
    require(outcome.at_edge["policed"] > 0, f"E dropped {outcome.at_edge}")
    require(outcome.tally.lost == 0, f"{outcome.tally} during {outcome.flooded}")
    return _told(outcome)


def test_replays_of_what_phones_sent(stage):
    outcome = _flood(stage, "replays")
    at_core = outcome.at_core
    dropped = outcome.at_edge["policed"] + at_core["replay"] + at_core["too_old"]
    require(at_core["replay"] + at_core["too_old"] > 0, f"C dropped {at_core}")
    require(dropped >= 0.95 * outcome.flooded.undecided, f"E dropped {outcome.at_edge}, C {at_core}")
    return _told(outcome, f"C knew {at_core['replay'] + at_core['too_old']:.0f} again")


def test_unknown_multiplex_ids(stage):
    return _told(_flood(stage, "unknown_ids"))


def test_oddities_of_ip_and_udp(stage):
    return _told(_flood(stage, "oddities"))


def test_fragments(stage):
    """The kernel keeps pieces from a packet port until they are whole; then they are longer than its frames."""
    outcome = _flood(stage, "fragments", is_counted_by_frame=False)
    require(outcome.at_edge["bad_length"] >= outcome.flooded.sent / 20, f"E dropped {outcome.at_edge}")
    return _told(outcome)


def test_icmp_redirects(stage):
    outcome = _flood(stage, "redirects")
    route = json.loads(stage.lab.spaces["edge"].run("ip", "-j", "route", "get", plan.HOME_ROUTER_WAN.host4))[0]
    require(route["gateway"] == plan.INTERNET_EDGE.host4, f"E now sends to {route['gateway']}")
    return _told(outcome)


def test_arp_floods(stage):
    return _told(_flood(stage, "arp"))
