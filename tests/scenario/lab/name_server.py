# SPDX-License-Identifier: Apache-2.0
"""dnsmasq, once with the public zone on the internet and once with the private view inside."""
from pathlib import Path

from . import plan
from .process import Process

PUBLIC_ZONE = f"""
host-record={plan.ACME_NAME},{plan.INTERNET_EDGE.host4}
host-record={plan.TENANT_DOMAIN},{plan.EDGE_OUTSIDE.host4}
host-record=collab-edge.{plan.TENANT_DOMAIN},{plan.EDGE_OUTSIDE.host4}
server=/{plan.DYNAMIC_DOMAIN}/{plan.INTERNET_EDGE.host4}#{plan.DYNAMIC_ZONE_PORT}
host-record={plan.STRAY_DOMAIN},{plan.INTERNET_EDGE.host4}
host-record=collab-edge.{plan.STRAY_DOMAIN},{plan.INTERNET_EDGE.host4}
host-record={plan.EDGE_NAME},{plan.EDGE_OUTSIDE.host4},{plan.EDGE_OUTSIDE.host6}
srv-host=_sips._tcp.{plan.DOMAIN},{plan.EDGE_NAME},{plan.SIP_TLS_PORT},10,10
srv-host=_sips._tcp.{plan.EDGE_NAME},{plan.EDGE_NAME},{plan.SIP_TLS_PORT},10,10
srv-host=_collab-edge._tls.{plan.DOMAIN},{plan.EDGE_NAME},8443,10,10
"""

# C dials E's inside face; outside nobody can resolve these names.
PRIVATE_ZONE = f"""
host-record={plan.EDGE_NAME},{plan.EDGE_INSIDE.host4},{plan.EDGE_INSIDE.host6}
host-record={plan.CORE_NAME},{plan.CORE.host4},{plan.CORE.host6}
host-record={plan.CLUSTER_NAME},{plan.CORE.host4},{plan.CORE.host6}
host-record={plan.CM_NAME},{plan.CM.host4},{plan.CM.host6}
host-record={plan.CM2_NAME},{plan.CM2.host4},{plan.CM2.host6}
host-record={plan.IMP_NAME},{plan.CM.host4}
host-record={plan.IMP2_NAME},{plan.CM2.host4}
srv-host=_xmpp-client._tcp.{plan.IMP_SERVICE},{plan.IMP_NAME},5999,10,10
srv-host=_xmpp-client._tcp.{plan.IMP_SERVICE},{plan.IMP2_NAME},5222,20,10
srv-host=_sip._udp.inside.{plan.DOMAIN},{plan.CM_NAME},5060,10,10
srv-host=_sip._tcp.inside.{plan.DOMAIN},{plan.CM_NAME},5060,10,10
srv-host=_sips._tcp.inside.{plan.DOMAIN},{plan.CM_NAME},5061,10,10
"""


class NameServer:
    """An authoritative-looking dnsmasq on port 53 of its namespace; asks nobody else but for a zone that names its server."""

    def __init__(self, namespace, zone, folder, name):
        self.name = name
        self._namespace = namespace
        self._folder = Path(folder)
        self._zone = zone
        self._process = None

    def start(self):
        config = self._folder / f"{self.name}.conf"
        config.write_text("no-resolv\nno-hosts\nno-daemon\nuser=root\ngroup=root\nbind-dynamic\n"
                          "no-negcache\nlog-queries\nlog-facility=-\npid-file=\n"
                          f"local=/{plan.DOMAIN}/\n{self._zone}")
        self._process = Process(self.name, self._namespace,
                                ["dnsmasq", f"--conf-file={config}"],
                                self._folder / f"{self.name}.log")
        self._process.wait_for(r"started, version")

    def queries(self):
        """The names and types asked so far, as dnsmasq logs them."""
        return [line.split("query", 1)[1] for line in self._process.output().splitlines()
                if " query[" in line]

    def stop(self):
        if self._process:
            self._process.stop()
