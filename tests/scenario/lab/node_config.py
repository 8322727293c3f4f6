# SPDX-License-Identifier: Apache-2.0
"""What the two nodes are configured with: the node file each reads, and the site document applied to it."""
import os
from dataclasses import dataclass, field, replace

from . import administrator, plan
from .certificates import Credential

ZONE = "Traversal zone"
ZONE_USER = "exampleauth"
ZONE_PASSWORD = "traversal-secret"


@dataclass(frozen=True)
class Settings:
    """What scenarios vary; the defaults are a pair that works. None takes the plan's certificate."""
    edge_credential: Credential = None
    core_credential: Credential = None
    peers: tuple = (plan.EDGE_NAME,)
    subject_name: str = plan.CLUSTER_NAME
    port: int = plan.TRAVERSAL_PORT
    edge_multiplex_port: int = plan.MULTIPLEX_PORT
    user: str = ZONE_USER
    core_password: str = ZONE_PASSWORD
    edge_password: str = ZONE_PASSWORD
    outside_ip: str = plan.EDGE_OUTSIDE.host4
    inside_ip: str = plan.EDGE_INSIDE.host4
    core_ip: str = plan.CORE.host4
    advertised: str = ""
    media_port_max: int = plan.RELAY_PORTS[1]
    max_packets_per_s: int = 1000
    link_keepalive_s: int = 5
    link_loss_s: int = 120
    registrar_mode: str = "auto"
    cm_transport: str = "udp"
    cm_nodes: tuple = (plan.CM_NAME,)
    options_interval_s: int = 2
    drain_s: int = 2
    profile: str = "packet"
    device: str = "{interface}"  # of a port, which may name itself, too: {port}
    hugepages: str = "off"  # scenarios must not depend on what else runs on the machine
    sip: dict = field(default_factory=dict)
    presence: tuple = ()          # hosts; with them E takes XMPP clients
    presence_domains: tuple = (plan.DOMAIN,)
    presence_discovery: tuple = ()  # user@domain and the file with the password
    presence_keys: tuple = ()     # more of each: {"port": 0}
    xmpp: dict = field(default_factory=dict)
    administration: bool = False  # over HTTPS, on the inside address of each node


def varied(**changes):
    return replace(Settings(), **changes)


NODE = """\
[node]
name = "{name}"
role = "{role}"
fqdn = "{fqdn}"
run_dir = "@NODE@/run"
state_dir = "@NODE@/store"
log_level = "debug"
drain_s = {drain_s}

[dataplane]
socket = "@NODE@/run/dataplane.sock"
lcores = [{lcore}]
flows = 2048
memory_mb = 128
hugepages = "{hugepages}"

[tls]
certificate = "{certificate}"
key = "{key}"
ca_file = "{ca}"

[api]
socket = "@NODE@/run/api.sock"
metrics_listen = "127.0.0.1:9464"

[administration]
listen = "{administration}"
"""

EDGE = f"""
[[address]]
name = "outside"
ip = "{{outside_ip}}"
advertised = "{{advertised}}"
port = "wan"

[[address]]
name = "inside"
ip = "{{inside_ip}}"
port = "dmz"

[[port]]
name = "wan"
profile = "{{profile}}"
device = "{{wan_device}}"

[[port]]
name = "dmz"
profile = "{{profile}}"
device = "{{dmz_device}}"

[media]
outer = "outside"
link = "inside"
port_max = {{port_max}}
{{media}}

[sip]
client_address = "outside"
client_port = {plan.SIP_TLS_PORT}
record_route_host = "{plan.EDGE_NAME}"
domains = ["{plan.DOMAIN}"]
{{sip}}

[traversal]
address = "inside"
port = {plan.TRAVERSAL_PORT}
multiplex_port = {{multiplex_port}}
"""

CORE = f"""
[[address]]
name = "inside"
ip = "{{core_ip}}"
port = "lan"

[[port]]
name = "lan"
profile = "{{profile}}"
device = "{{lan_device}}"

[media]
inner = "inside"
link = "inside"
port_max = {{port_max}}
{{media}}

[sip]
inner_address = "inside"
inner_port = 5060

[traversal]
address = "inside"
"""

CALL_CONTROL = """
[[call_control]]
name = "{name}"
host = "{host}"
port = {port}
transport = "{transport}"
priority = {priority}
registrar_mode = "{mode}"
options_interval_s = {interval}
"""


PRESENCE = """
[[presence]]
name = "{name}"
host = "{host}"
priority = {priority}
domains = [{domains}]
{discovery}"""


def _xmpp(settings):
    if not settings.presence:
        return ""
    keys = {"client_port": 5222, "direct_port": 5223, **settings.xmpp}
    return "\n[xmpp]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def zone_of_edge(name, port, user, password, subject_name, domain):
    """A traversal zone of E with its credential, as sections of the site document."""
    return f"""\
[[zone]]
name = "{name}"
type = "uc_traversal"
port = {port}
user = "{user}"
tls_verify_subject_name = ["{subject_name}"]
sip_domains = ["{domain}"]

[[credential]]
name = "{user}"
password = "{password}"
"""


def edge(wallet, settings):
    """(node file, site document) of E."""
    common = _node("e1", "E", plan.EDGE_NAME, 0, settings.edge_credential or wallet.edge,
                   wallet.authority.certificate, settings, settings.inside_ip)
    sip = "\n".join(f"{key} = {value}" for key, value in settings.sip.items())
    site = zone_of_edge(ZONE, plan.TRAVERSAL_PORT, settings.user, settings.edge_password, settings.subject_name, plan.DOMAIN)
    return common + EDGE.format(profile=settings.profile, wan_device=_device(settings, "wan", plan.EDGE_OUTSIDE),
                                dmz_device=_device(settings, "dmz", plan.EDGE_INSIDE), multiplex_port=settings.edge_multiplex_port,
                                port_max=settings.media_port_max,
                                media=_media(settings), sip=sip,
                                outside_ip=settings.outside_ip, inside_ip=settings.inside_ip,
                                advertised=settings.advertised) + _xmpp(settings), site


def core(wallet, settings):
    """(node file, site document) of C."""
    common = _node("c1", "C", plan.CORE_NAME, min(1, os.cpu_count() - 1),
                   settings.core_credential or wallet.core, wallet.authority.certificate, settings, settings.core_ip)
    nodes = "".join(
        CALL_CONTROL.format(name=f"cm{number}", host=host, transport=settings.cm_transport,
                            port=5061 if settings.cm_transport == "tls" else 5060,
                            priority=10 * number, mode=settings.registrar_mode,
                            interval=settings.options_interval_s)
        for number, host in enumerate(settings.cm_nodes, 1))
    domains = ", ".join(f'"{domain}"' for domain in settings.presence_domains)
    keys = "".join(f"{key} = {value}\n" for key, value in dict(settings.presence_keys).items())
    discovery = 'discovery_user = "{}"\ndiscovery_password_file = "{}"\n'.format(*settings.presence_discovery) if settings.presence_discovery else ""
    presence = "".join(PRESENCE.format(name=f"imp{number}", host=host, priority=10 * number, domains=domains, discovery=(discovery if number == 1 else "") + keys)
                       for number, host in enumerate(settings.presence, 1))
    peers = ", ".join(f'"{peer}"' for peer in settings.peers)
    site = f"""\
[[zone]]
name = "{ZONE}"
type = "uc_traversal"
port = {settings.port}
user = "{settings.user}"
password = "{settings.core_password}"
peers = [{peers}]
sip_domains = ["{plan.DOMAIN}"]
"""
    return common + CORE.format(profile=settings.profile, lan_device=_device(settings, "lan", plan.CORE), core_ip=settings.core_ip, port_max=settings.media_port_max,
                                media=_media(settings)) + nodes + presence, site


def peer_states(zones):
    """The state of each peer of each zone, from `sallyport zones --json`."""
    return [peer["state"] for peer in peers_of(zones)]


def is_connected(zones):
    return any(peer["state"] == "active" and peer["media_link"] == "up" for peer in peers_of(zones))


def peers_of(zones):
    return [peer for zone in zones for peer in zone["peers"]]


def _device(settings, port, face):
    return settings.device.format(interface=face.interface, port=port)


def _media(settings):
    return f"""\
max_packets_per_s = {settings.max_packets_per_s}
keepalive_s = {settings.link_keepalive_s}
link_loss_s = {settings.link_loss_s}"""


def _node(name, role, fqdn, lcore, credential, ca, settings, inside_ip):
    return NODE.format(administration=f"{inside_ip}:{administrator.PORT}" if settings.administration else "", name=name, role=role, fqdn=fqdn, lcore=lcore, ca=ca,
                       hugepages=settings.hugepages, drain_s=settings.drain_s,
                       certificate=credential.certificate, key=credential.key)
