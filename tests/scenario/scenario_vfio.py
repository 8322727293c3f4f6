# SPDX-License-Identifier: Apache-2.0
"""Both nodes with profile vfio: their ports out of the kernel's sight, all signalling by the exception ports."""
import time
from types import SimpleNamespace

from lab import plan
from lab.report import require
from lab.scripted_phone import ScriptedCall, outlive_dataplanes, registered_pair

# Without a NIC DPDK makes the device itself; the way behind it is the same.
DEVICE = "net_af_packet_{port},iface={interface},qdisc_bypass=1"


PORTS = ((plan.EDGE_OUTSIDE, "wan"), (plan.EDGE_INSIDE, "dmz"), (plan.CORE, "lan"))


def setup(lab):
    lab.start_peers()
    for face, port in PORTS:
        lab.spaces.hide(face, f"sp-{port}")
    lab.make_nodes(profile="vfio", device=DEVICE)
    for node in (lab.edge, lab.core):
        node.start_dataplane()
        node.dataplane.wait_for("node .* ready")
    for face, port in PORTS:
        _await_link(lab.spaces[face.namespace], f"sp-{port}")
    for name in plan.NODES:
        lab.spaces.add_routes(name)
    for node in (lab.edge, lab.core):
        node.serve()
    lab.await_traversal()
    return SimpleNamespace(lab=lab)


def _await_link(space, interface, timeout_s=5.0):
    """IPv6 has no route by an interface before its link is up, which the kernel learns a little after the dataplane."""
    deadline = time.monotonic() + timeout_s
    while "2001:" not in space.run("ip", "-6", "route", "show", "dev", interface):
        require(time.monotonic() < deadline, f"{interface} has no link")
        time.sleep(0.02)


def _both(stage, name):
    return sum(node.counter(f"sallyport_dataplane_{name}_total") for node in (stage.lab.edge, stage.lab.core))


def test_signalling_goes_by_the_kernel_and_media_past_it(stage):
    lab = stage.lab
    for node, port in ((lab.edge, "wan"), (lab.edge, "dmz"), (lab.core, "lan")):
        require(f"exception port sp-{port} (" in node.logs(), f"{node.role} names no exception port sp-{port}")
    signalling = _both(stage, "to_kernel")
    outside, inside = registered_pair(lab)
    call = ScriptedCall.connect(outside, inside)
    given, taken = _both(stage, "to_kernel"), _both(stage, "packets_in")
    require(given - signalling > 10, f"registration and call passed the exception ports with {given - signalling:.0f} packets")
    call.talk(1.0)
    call.report()
    given, taken = _both(stage, "to_kernel") - given, _both(stage, "packets_in") - taken
    require(taken > 150, f"only {taken:.0f} packets of the call passed the dataplanes")
    require(given < taken / 2, f"{given:.0f} of {taken:.0f} packets went to the kernel")
    call.end()
    return f"{taken:.0f} packets, {given:.0f} of them the kernel's"


def test_a_killed_dataplane_comes_back_to_its_interfaces_and_the_call_goes_on(stage):
    outlive_dataplanes(stage.lab)
