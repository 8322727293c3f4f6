# SPDX-License-Identifier: Apache-2.0
"""What the demonstration prints: the picture, one table a call, and what to try by hand."""
from pathlib import Path

from lab import plan
from lab.call_view import legs

PICTURE = f"""
    home (NAT) ── internet ── [E] dmz ── firewall ── inside [C] ── CM (Kamailio), phone B
    phone A

    phone A   {plan.HOME.host4:14} behind {plan.HOME_ROUTER_WAN.host4}, finds {plan.EDGE_NAME} by DNS
    E         {plan.EDGE_OUTSIDE.host4:14} outside, {plan.EDGE_INSIDE.host4} towards the firewall
    firewall  lets C reach E on TCP 7001, TCP 2222, UDP 36000-36001; nothing from E to C
    C         {plan.CORE.host4:14} inside; Kamailio {plan.CM.host4}; phone B {plan.DESK.host4}
"""
COLUMNS = "  {:<2} {:<6} {:<9} {:<24} {:>8} {:>8} {:>5} {:>7}  {}"


def print_heading(text):
    print(f"\n== {text}", flush=True)


def print_picture():
    print(PICTURE, flush=True)


def print_machine():
    """What this machine offers; the nodes then say what they took."""
    pages = int(Path("/proc/sys/vm/nr_hugepages").read_text())
    print(f"hugepages: {pages or 'none'} reserved (vm.nr_hugepages)"
          + ("" if pages else "; the nodes fall back to ordinary pages"))
    print("ports: no NIC is bound to vfio-pci here; the nodes ask for XDP, and one that cannot have it\n"
          "       says so and falls back to AF_PACKET", flush=True)


def print_nodes(lab):
    """What each dataplane told of itself at its start."""
    for node in (lab.edge, lab.core):
        for line in node.dataplane.output().splitlines():
            if "sallyport-dataplane:" in line:
                print(f"     {node.role}: {line.partition('sallyport-dataplane: ')[2]}", flush=True)


def print_calls(records):
    print("   leg: client is A's, inside is B's, traversal is the one between E and C. suite opaque: E passes it\n"
          "   sealed and has no key. where media went: the far address <-> this node's address")
    for record in records:
        print(f"\n{record.title}")
        print(COLUMNS.format("", "media", "leg", "suite", "received", "sent", "lost", "jitter",
                             "where media went"))
        for row in legs("E", record.edge) + legs("C", record.core):
            print(COLUMNS.format(row.node, row.kind, row.side, row.suite, row.received, row.sent,
                                 row.lost, f"{row.jitter_ms:.1f}ms", row.path))


def print_by_hand(lab):
    def line(what, namespace, *words):
        print(f"  # {what}\n  {' '.join([*lab.spaces[namespace].exec_prefix(), *map(str, words)])}")

    def ask(node, *words):
        return [node.program.resolve(), "--socket", node.socket_path, *words]

    print("\nEverything stays up until Ctrl-C. To try by hand, as root:")
    line("state of the zone between C and E", "core", *ask(lab.core, "zones"))
    line("name by name, layer by layer: can C reach E?", "core", *ask(lab.core, "traversal", "test"))
    line("who is registered through this pair", "edge", *ask(lab.edge, "registrations"))
    line("calls, also those that have ended", "core", *ask(lab.core, "calls"))
    line("media flows with their counters", "edge", *ask(lab.edge, "flows"))
    line("what the firewall let through and refused", "firewall", "nft", "list", "counters")
    line("media on the DMZ link: SRTP only", "firewall", "tcpdump", "-ni", "dmz", "-c", "20", "udp")
    print(f"  # let phone A call B (B answers with the second line)\n"
          f"  echo '/dial sip:b@{plan.DOMAIN}' | {_baresip(lab, 'home', 4440)}\n"
          f"  echo '/accept' | {_baresip(lab, 'desk', 4440)}")
    print(f"  # logs of everything\n  ls {lab.folder}/*.log {lab.folder}/node-*/log", flush=True)


def _baresip(lab, namespace, port):
    """ctrl_tcp speaks netstrings of JSON; this wraps a command typed as text."""
    prefix = " ".join(lab.spaces[namespace].exec_prefix())
    script = Path(__file__).with_name("phone_command.py")
    return f"{prefix} python3 {script} {port}"
