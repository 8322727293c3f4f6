# SPDX-License-Identifier: Apache-2.0
"""The link between E and C is cut for longer than a call may be without it: both nodes release its calls, and say why."""
from types import SimpleNamespace

from lab import firewall
from lab.media_load import MediaLoad
from lab.report import require
from lab.scripted_phone import ScriptedCall, registered_pair

PAIRS = 2  # each way one call a pair
PACKETS_PER_S = 2500  # of each call and direction
LIMIT_S = 3
REASON = f"media link lost for more than {LIMIT_S} s"
LINK_LOST = "sallyport_calls_link_lost_total"
COUNTS_LOSS = True


def setup(lab):
    lab.start_peers()
    lab.start_nodes(link_keepalive_s=1, link_loss_s=LIMIT_S, max_packets_per_s=2 * PACKETS_PER_S)
    calls = []
    for _ in range(PAIRS):
        calls.append(ScriptedCall.connect(*registered_pair(lab)))
        calls.append(ScriptedCall.connect(*reversed(registered_pair(lab))))
    for call in calls:
        call.talk(0.2)
    return SimpleNamespace(lab=lab, calls=calls, ids={})


def test_the_calls_are_released_on_both_sides(stage):
    nodes = (stage.lab.edge, stage.lab.core)
    stage.ids = {node: {call["id"] for call in node.ask("calls", "--active")} for node in nodes}
    require(all(len(ids) == len(stage.calls) for ids in stage.ids.values()), f"calls: {stage.ids}")
    with MediaLoad(stage.lab.build, stage.calls, PACKETS_PER_S) as load:
        with firewall.cut(stage.lab.spaces["firewall"]):
            for node in nodes:
                node.wait_answer(lambda calls: not calls, "the release of its calls", 30, words=("calls", "--active"))
            for node in nodes:
                node.wait_answer(lambda flows: not flows, "the end of their flows", words=("flows",))
        tally = load.stop()
    return f"{tally.to_callee.sent + tally.to_caller.sent} packets were sent at {PACKETS_PER_S * 2 * len(stage.calls):,} a second"


def test_the_cause_stands_in_the_record(stage):
    for node, ids in stage.ids.items():
        for call in ids:
            reason = node.ask("calls", "show", call)["end_reason"]
            require(reason == REASON, f"{node.role} says of {call}: {reason}")
        require(node.counter(LINK_LOST) == len(ids), f"{node.role} counted {node.counter(LINK_LOST):.0f}")


def test_every_phone_is_told(stage):
    """By a BYE of its own node, which it can answer; so nobody stays in a call that is none."""
    for call in stage.calls:
        for phone in (call.caller, call.callee):
            bye = phone.peer.expect("BYE")
            require(REASON in (bye.get("Reason") or ""), f"no cause in\n{bye}")
            phone.peer.send(phone.peer.reply(bye, 200, "OK"))
            phone.end_media()


def test_calls_pass_again_when_the_link_is_back(stage):
    stage.lab.await_traversal(45)
    call = ScriptedCall.connect(*registered_pair(stage.lab))
    call.talk(0.2)
    call.end()
