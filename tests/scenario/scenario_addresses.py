# SPDX-License-Identifier: Apache-2.0
"""Where E stands: behind static NAT with an advertised address, and on IPv6 towards clients."""
from types import SimpleNamespace

from lab import firewall, plan
from lab.report import require
from lab.scripted_phone import ScriptedCall, inside_phone, outside_phone


def setup(lab):
    lab.start_peers()
    lab.start_nodes(advertised=plan.EDGE_ADVERTISED)
    firewall.load(lab.spaces["internet"], firewall.STATIC_NAT)
    return SimpleNamespace(lab=lab)


def _calls_both_ways(stage, edge, told, ipv6_inside=False):
    """A call from each side; media must be promised at the address that the outside can reach."""
    number = stage.lab.next_number()
    outside = outside_phone(stage.lab, f"o{number}", edge=edge).register()
    inside = inside_phone(stage.lab, f"i{number}", ipv6=ipv6_inside).register()
    for caller, callee in ((outside, inside), (inside, outside)):
        call = ScriptedCall.connect(caller, callee)
        address, _ = outside.rtp.remote
        require(address == told, f"media was promised at {address}, not {told}")
        call.talk(0.3)
        call.report()
        call.end()


def test_behind_static_nat_clients_are_told_the_advertised_address(stage):
    _calls_both_ways(stage, plan.EDGE_ADVERTISED, plan.EDGE_ADVERTISED)


def test_clients_on_ipv6_reach_phones_on_ipv4(stage):
    stage.lab.replace_edge(outside_ip=plan.EDGE_OUTSIDE.host6)
    stage.lab.await_traversal(45)
    _calls_both_ways(stage, plan.EDGE_OUTSIDE.host6, plan.EDGE_OUTSIDE.host6)


def test_everything_on_ipv6(stage):
    """E's faces, the link between E and C, call control and both phones. Last, as C moves too."""
    stage.lab.replace_edge(outside_ip=plan.EDGE_OUTSIDE.host6, inside_ip=plan.EDGE_INSIDE.host6)
    stage.lab.replace_core(core_ip=plan.CORE.host6)
    stage.lab.await_traversal(45)
    _calls_both_ways(stage, plan.EDGE_OUTSIDE.host6, plan.EDGE_OUTSIDE.host6, ipv6_inside=True)
