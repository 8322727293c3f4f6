# SPDX-License-Identifier: Apache-2.0
"""A part that calls need is missing: new calls get 503 and the operator an alarm, the rest goes on."""
from types import SimpleNamespace

from lab import plan
from lab.report import require
from lab.scripted_phone import ScriptedCall, inside_phone, outside_phone, registered_pair
from lab.witness import Witness


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab, witness=Witness(lab))


def _alarms(node):
    return [alarm["kind"] for alarm in node.ask("status")["alarms"]]


def _refused_call(caller, callee):
    """An INVITE that must be refused; returns the 503."""
    invite = caller.peer.send(caller.peer.request("INVITE", callee.uri, body=caller.offer()))
    refusal = caller.peer.expect(503, call_id=invite.get("Call-ID"))
    caller.peer.acknowledge(invite, refusal)
    return refusal


def test_call_control_down_and_back(stage):
    lab = stage.lab
    caller = outside_phone(lab, "caller").register()
    lab.call_control.stop()
    try:
        lab.core.wait_answer(lambda s: all(c["state"] == "down" for c in s["call_control"]),
                             "call control being down", 20)
        with lab.core.counting("sallyport_sip_call_control_down_total"):
            refusal = _refused_call(caller, stage.witness.inside)
        require(refusal.get("Retry-After"), f"503 without Retry-After:\n{refusal}")
        require("call_control_down" in _alarms(lab.core), f"alarms: {_alarms(lab.core)}")
        stage.witness.require_unharmed()
    finally:
        lab.call_control.start()
    lab.core.wait_answer(lambda s: all(c["state"] == "up" for c in s["call_control"]),
                         "call control being up", 20)
    require("call_control_down" not in _alarms(lab.core), "the alarm stays")
    caller.close()
    stage.witness.require_unharmed()
    # Kamailio keeps bindings in memory: fresh phones show that calls pass again.
    call = ScriptedCall.connect(*registered_pair(lab))
    call.talk(0.2)
    call.end()


def test_the_traversal_zone_down_and_back(stage):
    lab = stage.lab
    caller = outside_phone(lab, "caller2").register()
    lab.core.kill_controlplane()
    lab.edge.wait_answer(lambda zones: not any(peer["state"] == "active" for peer in zones[0]["peers"]),
                         "a zone without C", words=("zones",))
    with lab.edge.counting("sallyport_sip_zone_down_total"):
        refusal = _refused_call(caller, stage.witness.inside)
    require(refusal.get("Retry-After"), f"503 without Retry-After:\n{refusal}")
    stage.witness.call.talk(0.2)
    lab.core.start_controlplane()
    lab.await_traversal(30)
    stage.witness.call.talk(0.2)
    caller.close()
    call = ScriptedCall.connect(*registered_pair(lab))
    call.talk(0.2)
    call.end()


def test_a_dataplane_that_does_not_run(stage):
    """Whichever of the two it is: registrations pass, calls are refused, and status says why."""
    lab = stage.lab
    caller = outside_phone(lab, "caller3").register()
    callee = inside_phone(lab, "callee3").register()
    for node in (lab.edge, lab.core):
        node.kill_dataplane()
        node.wait_answer(lambda status: not status["dataplane"]["running"], "an absent dataplane")
        require("dataplane_absent" in _alarms(node), f"{node.role}'s alarms: {_alarms(node)}")
        with node.counting("sallyport_calls_refused_total"):
            refusal = _refused_call(caller, callee)
        require(refusal.get("Retry-After"), f"503 without Retry-After:\n{refusal}")
        outside_phone(lab, f"visitor-{node.role}").register().close()
        node.start_dataplane()
        node.wait_answer(lambda status: status["dataplane"]["running"], "a running dataplane")
        require("dataplane_absent" not in _alarms(node), "the alarm stays")
        lab.await_traversal(30)
    caller.end_media()
    call = ScriptedCall.connect(caller, callee)
    call.talk(0.2)
    call.end()


def test_an_exhausted_port_range(stage):
    """Last, as it starts E anew with four port pairs. A pair that was given back rests for a while, so
    that the offers of calls that are never answered use up what the running call leaves."""
    lab = stage.lab
    stage.witness.end()
    lab.replace_edge(media_port_max=plan.RELAY_PORTS[0] + 7)
    lab.await_traversal(45)
    call = ScriptedCall.connect(*registered_pair(lab))
    caller, callee = registered_pair(lab)
    with lab.edge.counting("sallyport_media_refused_total", reason="no_ports"):
        for _ in range(4):
            invite = caller.peer.send(caller.peer.request("INVITE", callee.uri, body=caller.offer()))
            answer = caller.peer.expect((407, 503), call_id=invite.get("Call-ID"))
            caller.peer.acknowledge(invite, answer)
            if answer.status == 503:
                break
    require(answer.get("Retry-After"), f"503 without Retry-After:\n{answer}")
    require("port_range_exhausted" in _alarms(lab.edge), f"alarms: {_alarms(lab.edge)}")
    call.talk(0.2)
    call.end()
