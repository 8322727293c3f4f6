# SPDX-License-Identifier: Apache-2.0
"""The traversal zone: what it shows, how each layer fails with its own reason, and how it comes back."""
import ssl
from types import SimpleNamespace

from lab import plan
from lab.node_config import ZONE, peers_of
from lab.report import require
from lab.sip_peer import SipPeer

LAYERS = ("dns", "tcp", "tls", "san", "digest", "udp_rtp", "udp_rtcp")


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab)


def test_the_type_alone_decides_role_and_fixed_fields(stage):
    for node, role in ((stage.lab.core, "client"), (stage.lab.edge, "server")):
        zones = node.ask("zones")
        require(len(zones) == 1, f"{node.role} shows {len(zones)} zones")
        zone = zones[0]
        wanted = {"name": ZONE, "type": "uc_traversal", "role": role, "port": plan.TRAVERSAL_PORT,
                  "transport": "tls", "tls_verify": "on", "media_encryption": "force_encrypted",
                  "authentication_policy": "do_not_check_credentials"}
        shown = {key: zone[key] for key in wanted}
        require(shown == wanted, f"{node.role} shows {shown}")


def test_the_layers_pass_one_by_one_from_either_node(stage):
    for node in (stage.lab.core, stage.lab.edge):
        steps = [step for test in node.ask("traversal", "test") for step in test["steps"]]
        verdicts = {step["layer"]: step["verdict"] for step in steps}
        bad = {layer: verdict for layer, verdict in verdicts.items() if verdict == "failed"}
        require(not bad, f"from {node.role}: {bad}")
        if node.role == "C":
            require(set(LAYERS) <= verdicts.keys(), f"from C only {sorted(verdicts)} were tried")
        # A21: the firewall drops echo requests, which is worth a line and no more.
        require(verdicts.get("icmp", "information") == "information", f"ICMP: {verdicts['icmp']}")


def test_a_certificate_of_an_unknown_authority_is_refused_by_issuer_and_serial(stage):
    stage.lab.replace_core(core_credential=stage.lab.wallet.from_unknown_authority())
    stage.lab.await_refusal("certificate|alert|handshake|unknown")
    log = stage.lab.edge.controlplane
    log.wait_for(r"(?i)issuer.*Unknown CA.*serial|serial.*issuer.*Unknown CA|Unknown CA", 10)


def test_an_expired_certificate_is_refused(stage):
    stage.lab.replace_core(core_credential=stage.lab.wallet.expired())
    stage.lab.edge.controlplane.wait_for(r"(?i)expired", 15)
    stage.lab.await_refusal("certificate|alert|expired|handshake")


def test_the_right_cn_with_the_wrong_san_is_refused_by_name(stage):
    stage.lab.replace_core(core_credential=stage.lab.wallet.right_name_in_cn_only())
    stage.lab.edge.controlplane.wait_for(rf"SAN.*{plan.CLUSTER_NAME}|{plan.CLUSTER_NAME}.*SAN", 15)
    stage.lab.await_refusal(".")


def test_a_certificate_without_client_use_is_refused(stage):
    mark = stage.lab.edge.controlplane.mark()
    stage.lab.replace_core(core_credential=stage.lab.wallet.without_client_use())
    stage.lab.edge.controlplane.wait_for(r"(?i)client.?auth|purpose", 15, since=mark)
    stage.lab.await_refusal("certificate|alert|purpose|handshake")


def test_a_client_without_certificate_gets_no_connection(stage):
    try:
        peer = SipPeer.connect_tls("nobody", stage.lab.spaces["core"], plan.EDGE_INSIDE.host4,
                                   plan.TRAVERSAL_PORT)
    except (ssl.SSLError, ConnectionError):
        return
    # TLS 1.3: the client learns of the refusal with its first read.
    try:
        peer.send(peer.request("OPTIONS", f"sip:{plan.EDGE_NAME}"))
    except (ssl.SSLError, ConnectionError):
        return
    require(not peer.expect_closed(), "E talked to a client without certificate")


def test_a_wrong_password_is_called_an_authentication_failure(stage):
    stage.lab.replace_core(core_password="wrong")
    reason = stage.lab.await_refusal("authenti|credential|password")
    require("reach" not in reason, f"told as {reason!r}")


def test_an_unknown_user_is_called_an_authentication_failure(stage):
    stage.lab.replace_core(user="stranger")
    stage.lab.await_refusal("authenti|credential|user")


def test_a_wrong_port_is_named(stage):
    stage.lab.replace_core(port=7002)
    stage.lab.await_refusal("7002", timeout_s=40)


def test_e_with_the_wrong_name_is_refused_by_c(stage):
    stage.lab.replace_edge(edge_credential=stage.lab.wallet.edge_with_wrong_name())
    stage.lab.replace_core()
    reason = stage.lab.await_refusal("SAN")
    require(plan.EDGE_NAME in reason, f"told as {reason!r}")


def test_an_address_as_peer_needs_its_san_and_is_warned_of(stage):
    address = plan.EDGE_INSIDE.host4
    stage.lab.replace_edge()
    stage.lab.replace_core(peers=(address,))
    stage.lab.await_refusal("SAN")
    stage.lab.replace_edge(edge_credential=stage.lab.wallet.edge_with_address(address))
    zones = stage.lab.await_traversal(40)
    require(peers_of(zones)[0]["warning"], "no warning about an address as peer")


def test_the_zone_comes_back_when_e_does(stage):
    stage.lab.replace_edge()
    stage.lab.replace_core()
    stage.lab.await_traversal()
    stage.lab.edge.kill_controlplane()
    stage.lab.core.wait_answer(lambda zones: peers_of(zones)[0]["state"] != "active",
                               "a peer that is not active", words=("zones",))
    result = stage.lab.core.sallyport("traversal", "test", check=False)
    require(f"{plan.EDGE_NAME} cannot be reached" in result, f"with TCP refused the test says:\n{result}")
    stage.lab.edge.start_controlplane()
    stage.lab.await_traversal(45)


def test_e_opened_nothing_towards_c(stage):
    counters = stage.lab.inner_firewall.counters()
    require(counters["edge_tried_inside"] == 0, f"the firewall counted {counters}")
