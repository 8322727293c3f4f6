# SPDX-License-Identifier: Apache-2.0
"""The packet filters of the lab: the home router's NAT, the inner firewall, the nodes' relay ports."""
import json
from contextlib import contextmanager

from . import plan

# `random` gives every flow another source port, so that E cannot get by with the port in the SDP.
HOME_NAT = """
table ip nat {
  chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade random; }
}
table inet guard {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" oifname "wan" accept
  }
}
"""

INNER = f"""
table inet guard {{
  counter core_to_edge {{ }}
  counter core_refused {{ }}
  counter replies {{ }}
  counter edge_tried_inside {{ }}
  counter edge_stray {{ }}
  chain documented_ports {{
    tcp dport {{ {plan.TRAVERSAL_PORT}, {plan.TENANT_TRAVERSAL_PORT}, {plan.MULTIPLEX_PORT} }} counter name core_to_edge accept
    udp dport {plan.MEDIA_MUX_PORTS[0]}-{plan.MEDIA_MUX_PORTS[1]} counter name core_to_edge accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname "dmz" oifname "lan" ct state new counter name edge_tried_inside drop
    iifname "dmz" oifname "lan" ct state invalid counter name edge_stray drop
    ct state established,related counter name replies accept
    iifname "lan" oifname "dmz" ct state new jump documented_ports
    iifname "lan" oifname "dmz" counter name core_refused drop
  }}
}}
"""

# In front of E: the address that the world knows is not the one that E has.
STATIC_NAT = f"""
table ip static_nat {{
  chain in {{
    type nat hook prerouting priority dstnat;
    ip daddr {plan.EDGE_ADVERTISED} dnat to {plan.EDGE_OUTSIDE.host4}
  }}
  chain out {{
    type nat hook postrouting priority srcnat;
    ip saddr {plan.EDGE_OUTSIDE.host4} oifname "{plan.INTERNET_HOME.interface}" snat to {plan.EDGE_ADVERTISED}
  }}
}}
"""

# The packet profile reads beside the kernel: without this the kernel answers each media packet
# with "port unreachable".
NODE_RELAY_PORTS = f"""
table inet relay
delete table inet relay
table inet relay {{
  chain input {{
    type filter hook input priority filter; policy accept;
    # Answers to what the kernel itself asked (DNS) come to ports of this range too.
    ct state established,related accept
    udp dport {plan.MEDIA_MUX_PORTS[0]}-{plan.RELAY_PORTS[1]} drop
  }}
}}
"""


# What comes by this interface is the dataplane's alone.
HIDDEN = """
table netdev hidden_{interface} {{
  chain frames {{
    type filter hook ingress device {interface} priority 0; policy drop;
  }}
}}
"""

CUT = "table inet cut {\n chain forward { type filter hook forward priority -10; policy drop; }\n}\n"


def load(namespace, rules):
    namespace.run("nft", "-f", "-", stdin=rules)


@contextmanager
def cut(namespace):
    """While it lasts nothing passes through this namespace."""
    load(namespace, CUT)
    try:
        yield
    finally:
        namespace.run("nft", "delete table inet cut")


class InnerFirewall:
    """Between E and C: lets C reach E on the documented ports, and counts whatever E tries."""

    def __init__(self, namespace):
        self._namespace = namespace

    def raise_rules(self):
        # Without pick-up in mid-stream, a late segment of a closed connection is invalid, not new.
        self._namespace.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0", check=False)
        load(self._namespace, INNER)

    def counters(self):
        """name -> packets"""
        listing = json.loads(self._namespace.run("nft", "-j", "list", "counters"))
        return {item["counter"]["name"]: item["counter"]["packets"]
                for item in listing["nftables"] if "counter" in item}
