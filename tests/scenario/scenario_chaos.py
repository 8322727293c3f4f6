# SPDX-License-Identifier: Apache-2.0
"""A control plane that writes nonsense into the shared region while calls run: it can lose its own calls, and nothing else."""
import json
import time
from types import SimpleNamespace

from lab import command, sdp
from lab.media_load import MediaLoad
from lab.report import require
from lab.scripted_phone import ScriptedCall, registered_pair

CALLS = 10
PACKETS_PER_S = 1000  # of each call and direction
CHAOS_S, LONG_CHAOS_S = 2, 60
REFUSED = "sallyport_dataplane_commands_refused_total"
COUNTS_LOSS = True


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    calls = [ScriptedCall.connect(*registered_pair(lab)) for _ in range(CALLS)]
    for call in calls:
        call.talk(0.2)
    return SimpleNamespace(lab=lab, calls=calls, seed=int(time.time()))


def _go_mad(stage, node, what):
    """In the place of the node's control plane, which is gone; returns what the program says it did."""
    stage.seed += 1
    seconds = LONG_CHAOS_S if stage.lab.is_long else CHAOS_S
    node.kill_controlplane()
    told = command.run(stage.lab.build / "tests" / "chaos" / "region_chaos", node.folder / "run" / "dataplane.sock",
                       seconds, stage.seed, what, timeout_s=seconds + 30)
    require(node.dataplane.is_running(), f"the dataplane of {node.role} ended (seed {stage.seed}):\n{node.tail()}")
    return SimpleNamespace(**json.loads(told))


def _unharmed(stage, node):
    ids = {call["id"] for call in node.ask("calls", "--active")}
    with MediaLoad(stage.lab.build, stage.calls, PACKETS_PER_S) as load:
        time.sleep(0.2)
        done = _go_mad(stage, node, "unused")
        node.start_controlplane()
        node.wait_answer(lambda calls: ids <= {call["id"] for call in calls}, "the calls that go on", words=("calls", "--active"))
        tally = load.stop()
    require(tally.lost == 0, f"{tally} (seed {stage.seed}, {vars(done)})")
    require(done.refused > 0 and done.full_rings > 0, f"nothing was tried: {vars(done)}")
    stage.lab.await_traversal(45)
    if node is stage.lab.edge:
        for call in stage.calls:  # its clients' connections ended with it
            call.caller.reconnect()
    for call in stage.calls[:2]:
        call.talk(0.2)
        seen = call.reinvite(call.caller, call.callee, call.caller.offer(direction="sendonly"), "recvonly")
        require(sdp.streams_of(seen)[0].direction == "sendonly", "the hold did not arrive")
        call.reinvite(call.callee, call.caller, call.callee.offer())
        call.talk(0.2)
    return (f"{tally}; {done.pushed} commands, {done.refused} of {done.commands} that came through refused, "
            f"{done.full_rings} full rings, {done.records} records overwritten (seed {stage.seed})")


def test_nonsense_at_e_leaves_running_calls_alone(stage):
    return _unharmed(stage, stage.lab.edge)


def test_nonsense_at_c_leaves_running_calls_alone(stage):
    return _unharmed(stage, stage.lab.core)


def _alive(stage, node):
    with MediaLoad(stage.lab.build, stage.calls, PACKETS_PER_S) as load:
        time.sleep(0.2)
        done = _go_mad(stage, node, "all")
        node.start_controlplane()
        node.wait_ready()
        tally = load.stop()
    require(node.dataplane.is_running(), f"the dataplane of {node.role} ended (seed {stage.seed}):\n{node.tail()}")
    stage.lab.await_traversal(45)
    call = ScriptedCall.connect(*registered_pair(stage.lab))
    call.talk(0.2)
    call.end()
    return f"{tally}; {done.records} records overwritten, and new calls pass (seed {stage.seed})"


def test_nonsense_everywhere_at_c_ends_no_dataplane(stage):
    return _alive(stage, stage.lab.core)


def test_nonsense_everywhere_at_e_ends_no_dataplane(stage):
    return _alive(stage, stage.lab.edge)
