# SPDX-License-Identifier: Apache-2.0
"""Lays the namespaces and links of the plan and takes the addresses and routes from it."""
from pathlib import Path

from . import firewall, plan
from .namespace import Namespace

SYSCTL = Path(__file__).resolve().parents[3] / "conf" / "sallyport-sysctl.conf"


class Topology:
    """All namespaces of one run, by the names of the plan. The estate removes them."""

    def __init__(self, estate):
        self._estate = estate
        self._spaces = {}

    def __getitem__(self, name):
        return self._spaces[name]

    def all(self):
        return list(self._spaces.values())

    def build(self):
        for name in plan.NAMESPACES:
            self._make_namespace(name)
        for one, other in plan.POINT_TO_POINT:
            self._lay_link(one, other)
        self._lay_lan()
        for name in plan.ROUTERS:
            self[name].run("sysctl", "-qw", "net.ipv4.ip_forward=1",
                           "net.ipv6.conf.all.forwarding=1")
        for name in plan.NODES:
            self[name].run("sysctl", "-q", "-p", SYSCTL)  # as on a real node
        for name in plan.ROUTES:
            self.add_routes(name)
        for name, server in plan.RESOLVERS.items():
            self[name].set_resolver(server.host4)

    def add_address(self, namespace, interface, address):
        family = "-6" if ":" in address else "-4"
        flags = ["nodad"] if family == "-6" else []
        self[namespace].run("ip", family, "address", "add", address, "dev", interface, *flags)

    def add_routes(self, name):
        for destination, gateway in plan.ROUTES[name]:
            self._add_route(name, destination, gateway)

    def hide(self, face, interface):
        """Takes the face out of its kernel's sight, as a NIC bound to vfio-pci is; its addresses move to a tap that stays. The routes are gone."""
        space = self[face.namespace]
        space.run("ip", "link", "set", face.interface, "down")
        space.run("ip", "address", "flush", "dev", face.interface)
        space.run("sysctl", "-qw", f"net.ipv6.conf.{face.interface}.disable_ipv6=1")
        firewall.load(space, firewall.HIDDEN.format(interface=face.interface))
        space.run("ip", "link", "set", face.interface, "up")
        space.run("ip", "tuntap", "add", "dev", interface, "mode", "tap", "multi_queue")
        space.run("ip", "link", "set", interface, "up")
        for address in (face.ipv4, face.ipv6):
            self.add_address(face.namespace, interface, address)

    def _make_namespace(self, name):
        full_name = f"sp-{self._estate.lab_id}-{name}"
        self._estate.note_namespace(full_name)
        self._spaces[name] = Namespace(full_name)
        self._spaces[name].create()

    def _lay_link(self, one, other):
        self._pair(one.namespace, one.interface, other.namespace, other.interface)
        for face in (one, other):
            self._address(face)

    def _lay_lan(self):
        self["lan"].run("ip", "link", "add", "switch", "type", "bridge")
        self["lan"].run("ip", "link", "set", "switch", "up")
        for face in plan.LAN_MEMBERS:
            port = f"to-{face.namespace}"
            self._pair(face.namespace, face.interface, "lan", port)
            self["lan"].run("ip", "link", "set", port, "master", "switch")
            self._address(face)

    def _pair(self, space, interface, other_space, other_interface):
        one, other = self[space], self[other_space]
        one.run("ip", "link", "add", interface, "type", "veth",
                "peer", "name", other_interface, "netns", other.name)
        for end, name in ((one, interface), (other, other_interface)):
            # A poll-mode reader sees packets before the kernel fills in checksums left to hardware.
            end.run("ethtool", "-K", name, "tx", "off")
            end.run("ip", "link", "set", name, "up")

    def _address(self, face):
        self.add_address(face.namespace, face.interface, face.ipv4)
        self.add_address(face.namespace, face.interface, face.ipv6)

    def _add_route(self, name, destination, gateway):
        both = destination == "default"
        if both or ":" not in destination:
            self[name].run("ip", "-4", "route", "add", destination, "via", gateway.host4)
        if both or ":" in destination:
            self[name].run("ip", "-6", "route", "add", destination, "via", gateway.host6)
