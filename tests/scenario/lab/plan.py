# SPDX-License-Identifier: Apache-2.0
"""The address plan: who stands where. Only documentation and private address ranges are used.

    home ── homertr ── internet ── [edge: E] ── firewall ── lan ─┬─ [core: C]
    phone A  (NAT)     (DNS)                    (nft drop)       ├─ cm    Kamailio, inside DNS
                                                                 └─ desk  phone B
"""
from dataclasses import dataclass

DOMAIN = "example.com"
EDGE_NAME = "edge.example.com"
CORE_NAME = "c1.inside.example.com"
CLUSTER_NAME = "c-cluster.inside.example.com"
CM_NAME = "cm1.inside.example.com"
CM2_NAME = "cm2.inside.example.com"
IMP_NAME = "imp1.inside.example.com"   # presence servers, at the addresses of call control
IMP2_NAME = "imp2.inside.example.com"
IMP_SERVICE = "imp.inside.example.com"  # SRV: a port where nobody listens, then the second server
ACME_NAME = "acme.example.com"
TENANT_DOMAIN = "tenant.example.com"  # its names lead to E
STRAY_DOMAIN = "stray.example.com"    # its names lead elsewhere
DYNAMIC_DOMAIN = "dyn.example.com"    # so do these, and its zone takes updates
DYNAMIC_ZONE_PORT = 5300

SIP_TLS_PORT = 5061
TRAVERSAL_PORT = 7001
TENANT_TRAVERSAL_PORT = 7003  # of a second tenant's zone
MULTIPLEX_PORT = 2222
MEDIA_MUX_PORTS = (36000, 36001)
RELAY_PORTS = (36002, 59999)


@dataclass(frozen=True)
class Face:
    """One end of a link: an interface of a namespace with its addresses (prefix included)."""
    namespace: str
    interface: str
    ipv4: str
    ipv6: str

    @property
    def host4(self):
        return self.ipv4.split("/")[0]

    @property
    def host6(self):
        return self.ipv6.split("/")[0]


HOME = Face("home", "eth0", "192.168.1.10/24", "2001:db8:1::10/64")
HOME_ROUTER_LAN = Face("homertr", "lan", "192.168.1.1/24", "2001:db8:1::1/64")
HOME_ROUTER_WAN = Face("homertr", "wan", "198.51.100.2/24", "2001:db8:100::2/64")
INTERNET_HOME = Face("internet", "to-home", "198.51.100.1/24", "2001:db8:100::1/64")
INTERNET_EDGE = Face("internet", "to-edge", "203.0.113.1/24", "2001:db8:e::1/64")
EDGE_OUTSIDE = Face("edge", "outside", "203.0.113.10/24", "2001:db8:e::10/64")
EDGE_INSIDE = Face("edge", "inside", "192.0.2.10/24", "2001:db8:d::10/64")
FIREWALL_DMZ = Face("firewall", "dmz", "192.0.2.1/24", "2001:db8:d::1/64")
FIREWALL_LAN = Face("firewall", "lan", "10.20.0.1/24", "2001:db8:20::1/64")
CORE = Face("core", "eth0", "10.20.0.10/24", "2001:db8:20::10/64")
CM = Face("cm", "eth0", "10.20.0.20/24", "2001:db8:20::20/64")
# The second call control node shares the first one's namespace; only scenarios of failover give it life.
CM2 = Face("cm", "eth0", "10.20.0.21/24", "2001:db8:20::21/64")
DESK = Face("desk", "eth0", "10.20.0.30/24", "2001:db8:20::30/64")

# What peers outside are told where E stands behind static NAT.
EDGE_ADVERTISED = "203.0.113.20"

NAMESPACES = ("home", "homertr", "internet", "edge", "firewall", "lan", "core", "cm", "desk")
POINT_TO_POINT = ((HOME, HOME_ROUTER_LAN), (HOME_ROUTER_WAN, INTERNET_HOME),
                  (INTERNET_EDGE, EDGE_OUTSIDE), (EDGE_INSIDE, FIREWALL_DMZ))
LAN_MEMBERS = (FIREWALL_LAN, CORE, CM, DESK)
NODES = ("edge", "core")
ROUTERS = ("homertr", "internet", "firewall")

# namespace -> (destination, next hop); "default" is understood by `ip -4` and `ip -6` alike.
ROUTES = {
    "home": (("default", HOME_ROUTER_LAN),),
    "homertr": (("default", INTERNET_HOME),),
    "internet": (("2001:db8:1::/64", HOME_ROUTER_WAN),),
    "edge": (("default", INTERNET_EDGE), ("10.20.0.0/16", FIREWALL_DMZ),
             ("2001:db8:20::/64", FIREWALL_DMZ)),
    "core": (("default", FIREWALL_LAN),),
    "cm": (("default", FIREWALL_LAN),),
    "desk": (("default", FIREWALL_LAN),),
}

# Which resolver each namespace asks: the public zone outside, the private view inside.
RESOLVERS = {"home": INTERNET_HOME, "homertr": INTERNET_HOME, "internet": INTERNET_HOME,
             "edge": INTERNET_EDGE, "core": CM, "cm": CM, "desk": CM}
