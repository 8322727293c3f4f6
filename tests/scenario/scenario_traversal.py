# SPDX-License-Identifier: Apache-2.0
"""The traversal zone: what it shows, how each layer fails with its own reason, and how it comes back."""
import json
import re
import ssl
from types import SimpleNamespace

from lab import command, firewall, plan
from lab.node_config import ZONE, ZONE_USER, peers_of
from lab.report import require
from lab.sip_peer import SipPeer

LAYERS = ["dns", "tcp", "tls", "san", "digest", "udp_rtp", "udp_rtcp", "multiplex"]
SECOND_EDGE = "edge2.example.com"  # no name server knows it

# Between C and E, in front of the rules that let C through.
RTCP_OUTAGE = f"""
table inet outage {{
  chain forward {{
    type filter hook forward priority -10; policy accept;
    udp dport {plan.MEDIA_MUX_PORTS[1]} drop
  }}
}}
"""


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab)


def traversal_test(node):
    """The steps of `sallyport traversal test`, whose exit code and text must say the same."""
    tests = json.loads(node.sallyport("traversal", "test", "--json", check=False))
    passed = all(test["passed"] for test in tests)
    try:
        text = node.sallyport("traversal", "test")
        require(passed, f"from {node.role} it failed and ended with 0")
    except command.CommandFailed as problem:
        require(not passed, f"from {node.role} it passed, and then: {problem}")
        require("ended with 1:" in str(problem), f"a failed test is exit code 1: {problem}")
        text = str(problem)
    require(tests[0]["zone"] in text, f"from {node.role} the text is:\n{text}")
    return [step for test in tests for step in test["steps"]], tests[0]["summary"]


def failed_layers(steps):
    return [step["layer"] for step in steps if step["verdict"] == "failed"]


def require_refusal(stage, layer, c_says, e_says):
    """Both nodes give their reason, and the layered test of both fails at that layer."""
    reason = stage.lab.await_refusal(c_says)
    require("OPTIONS" not in reason, f"C told {reason!r}")

    def is_told(zones):
        return any(re.search(e_says, peer["reason"], re.S) for peer in peers_of(zones))

    stage.lab.edge.wait_answer(is_told, f"a failure that names /{e_says}/", words=("zones",))
    steps, summary = traversal_test(stage.lab.core)
    require(failed_layers(steps)[0] == layer, f"from C {layer} had to fail first: {steps}")
    require("cannot be reached" not in summary, f"C is told {summary!r}")
    steps, _ = traversal_test(stage.lab.edge)
    told = [step["detail"] for step in steps if (step["layer"], step["verdict"]) == (layer, "failed")]
    require(any(re.search(e_says, detail, re.S) for detail in told), f"from E {layer} had to fail: {steps}")
    return reason


def test_a16_a17_a29_the_type_alone_decides_role_and_fixed_fields(stage):
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
    connects = peers_of(stage.lab.core.ask("zones"))[0]["connects"]
    for node in (stage.lab.core, stage.lab.edge):
        steps, summary = traversal_test(node)
        require(not failed_layers(steps), f"from {node.role}: {summary}, {steps}")
        layers = [step["layer"] for step in steps]
        require(layers == LAYERS + ["icmp"], f"from {node.role} {layers} were tried")
        # A21: the firewall drops echo requests, which is worth a line and no more.
        require(steps[-1]["verdict"] == "information", f"ICMP: {steps[-1]}")
        by_layer = {step["layer"]: step for step in steps}
        for layer in ("udp_rtp", "udp_rtcp"):
            require("there and back in" in by_layer[layer]["detail"], f"from {node.role}: {by_layer[layer]}")
    detail = {step["layer"]: step["detail"] for step in traversal_test(stage.lab.core)[0]}
    require(detail["digest"] == f"user {ZONE_USER} is accepted by SHA-256", f"digest: {detail['digest']}")
    require(detail["icmp"] == "ICMP blocked (not an error)", f"ICMP: {detail['icmp']}")
    peer = peers_of(stage.lab.core.ask("zones"))[0]
    require(peer["state"] == "active" and peer["connects"] == connects, f"the test disturbed {peer}")


def test_a04_an_unknown_authority_is_told_by_issuer_serial_and_store(stage):
    stage.lab.replace_core(core_credential=stage.lab.wallet.from_unknown_authority())
    require_refusal(stage, "tls", 'serial 1000 .*issued by "CN=Unknown CA": unknown CA',
                    'serial 1000 .*issued by "CN=Unknown CA", does not lead to a trusted CA.*ca.pem')


def test_a04_c_tells_the_unknown_authority_of_e(stage):
    stage.lab.replace_edge(edge_credential=stage.lab.wallet.edge_from_unknown_authority())
    stage.lab.replace_core()
    reason = stage.lab.await_refusal("does not lead to a trusted CA")
    require(re.search('serial 1000 .*"CN=Unknown CA".*ca.pem', reason), f"told as {reason!r}")
    steps, _ = traversal_test(stage.lab.core)
    require(failed_layers(steps)[0] == "tls", f"from C: {steps}")
    stage.lab.replace_edge()


def test_an_expired_certificate_is_refused(stage):
    stage.lab.replace_core(core_credential=stage.lab.wallet.expired())
    require_refusal(stage, "tls", r"certificate expired .*valid until 2020-02-01", r"expired on 2020-02-01")


def test_a05_a_certificate_without_client_use_is_refused(stage):
    stage.lab.replace_core(core_credential=stage.lab.wallet.without_client_use())
    require_refusal(stage, "tls", "extended key usage lacks clientAuth", "clientAuth is missing")


def test_a05_a_client_certificate_of_its_own_lets_c_in(stage):
    lab = stage.lab
    lab.replace_core(core_credential=lab.wallet.without_client_use())
    lab.await_refusal("extended key usage lacks clientAuth")
    client = lab.wallet.core
    before = lab.core.config_path.read_text()
    lab.core.config_path.write_text(before.replace(
        "[tls]\n", f'[tls]\nclient_certificate = "{client.certificate}"\nclient_key = "{client.key}"\n'))
    lab.core.reload()
    lab.await_traversal(40)


def test_a19_a28_the_right_cn_with_the_wrong_san_is_refused_by_name(stage):
    stage.lab.replace_core(core_credential=stage.lab.wallet.right_name_in_cn_only())
    names = rf"lacks the name {plan.CLUSTER_NAME} in its SAN; its names are: DNS:other.inside.example.com .*the CN, which does not count"
    require_refusal(stage, "san", names, names)


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


def test_a26_a_wrong_password_is_called_an_authentication_failure(stage):
    stage.lab.replace_core(core_password="wrong")
    reason = require_refusal(stage, "digest", "^authentication failed", "^authentication failed: wrong password")
    require("reach" not in reason, f"told as {reason!r}")


def test_a26_an_unknown_user_is_called_an_authentication_failure(stage):
    stage.lab.replace_core(user="stranger")
    require_refusal(stage, "digest", "^authentication failed", "^authentication failed: user stranger")


def test_a27_a_wrong_port_is_named_with_what_became_of_it(stage):
    # The firewall passes 2222, where nothing listens when E has its stream multiplex elsewhere, and drops 7002.
    stage.lab.replace_edge(edge_multiplex_port=plan.MULTIPLEX_PORT + 1)
    for port, outcome in ((plan.MULTIPLEX_PORT, "refused"), (7002, "timeout")):
        stage.lab.replace_core(port=port)
        stage.lab.await_refusal(rf"connection {outcome} on {plan.EDGE_INSIDE.host4}:{port}", timeout_s=40)
        steps, summary = traversal_test(stage.lab.core)
        require(failed_layers(steps)[0] == "tcp", f"{port}: {steps}")
        require(summary.startswith(f"{plan.EDGE_NAME} cannot be reached"), f"{port}: {summary}")


def test_a21_e_says_that_nobody_is_connected(stage):
    stage.lab.replace_edge()
    steps, summary = traversal_test(stage.lab.edge)
    require(f"no C is connected to port {plan.TRAVERSAL_PORT}" in summary, f"E says {summary!r}, {steps}")


def test_a19_e_with_the_wrong_name_is_refused_by_c(stage):
    stage.lab.replace_edge(edge_credential=stage.lab.wallet.edge_with_wrong_name())
    stage.lab.replace_core()
    stage.lab.await_refusal(f"lacks the name {plan.EDGE_NAME} in its SAN; its names are: DNS:other.example.com")
    steps, _ = traversal_test(stage.lab.core)
    require(failed_layers(steps)[0] == "san", f"from C: {steps}")


def test_a30_an_address_as_peer_needs_its_san_and_is_warned_of(stage):
    address = plan.EDGE_INSIDE.host4
    stage.lab.replace_edge()
    stage.lab.replace_core(peers=(address,))
    stage.lab.await_refusal(f"lacks the name {address} in its SAN")
    stage.lab.replace_edge(edge_credential=stage.lab.wallet.edge_with_address(address))
    zones = stage.lab.await_traversal(40)
    require("IP address" in peers_of(zones)[0]["warning"], "no warning about an address as peer")


def test_a31_each_peer_has_a_state_of_its_own(stage):
    stage.lab.replace_edge()
    stage.lab.replace_core(peers=(SECOND_EDGE, plan.EDGE_NAME))
    stage.lab.await_traversal()
    stage.lab.await_refusal(SECOND_EDGE)
    steps, summary = traversal_test(stage.lab.core)
    failed = {step["peer"] for step in steps if step["verdict"] == "failed"}
    require(failed == {SECOND_EDGE}, f"from C: {steps}")
    require("cannot be reached" not in summary, f"no TCP was tried, and C says {summary!r}")


def test_a21_media_ports_that_do_not_pass_are_named(stage):
    firewall.load(stage.lab.spaces["firewall"], RTCP_OUTAGE)
    stage.lab.replace_edge()
    stage.lab.replace_core()
    stage.lab.core.wait_answer(lambda zones: peers_of(zones)[0]["media_link"] == "down: RTCP port silent",
                               "a media link without RTCP", words=("zones",))
    for node in (stage.lab.core, stage.lab.edge):
        steps, _ = traversal_test(node)
        require(failed_layers(steps) == ["udp_rtcp"], f"from {node.role}: {steps}")
        detail = next(step["detail"] for step in steps if step["layer"] == "udp_rtcp")
        require(str(plan.MEDIA_MUX_PORTS[1]) in detail, f"from {node.role}: {detail}")
    stage.lab.spaces["firewall"].run("nft", "delete", "table", "inet", "outage")
    stage.lab.await_traversal()
    require(not failed_layers(traversal_test(stage.lab.edge)[0]), "E still misses the RTCP port")


def test_a10_certificates_and_keys_reload_without_dropping_the_zone(stage):
    wallet = stage.lab.wallet.authority
    edge_names, core_names = (plan.EDGE_NAME,), (plan.CORE_NAME, plan.CLUSTER_NAME)
    stage.lab.replace_edge(edge_credential=wallet.issue("edge-live", plan.EDGE_NAME, edge_names))
    stage.lab.replace_core(core_credential=wallet.issue("core-live", plan.CORE_NAME, core_names))
    before = peers_of(stage.lab.await_traversal())[0]
    for node, name, names in ((stage.lab.edge, "edge-live", edge_names), (stage.lab.core, "core-live", core_names)):
        serial = node.ask("status")["certificates"][0]["serial"]
        wallet.issue(name, names[0], names)
        node.reload()
        node.wait_answer(lambda status: status["certificates"][0]["serial"] != serial, "the new certificate")
    steps, _ = traversal_test(stage.lab.core)
    require(not failed_layers(steps), f"a handshake with the new certificates: {steps}")
    after = peers_of(stage.lab.core.ask("zones"))[0]
    require((after["state"], after["since"], after["connects"]) == ("active", before["since"], before["connects"]),
            f"the reload changed {before} into {after}")


def test_a11_a_ca_that_is_installed_and_reloaded_lets_the_peer_in(stage):
    stranger = stage.lab.wallet.from_unknown_authority("unknown-live")
    trusted = stage.lab.wallet.authority.certificate
    before = trusted.read_text()
    stage.lab.replace_core(core_credential=stranger)
    stage.lab.await_refusal("unknown CA")
    trusted.write_text(before + (stranger.certificate.parent / "ca.pem").read_text())
    stage.lab.edge.reload()
    connects = peers_of(stage.lab.await_traversal(40))[0]["connects"]
    trusted.write_text(before)
    mark = stage.lab.edge.controlplane.mark()
    stage.lab.edge.reload()
    # Withdrawn again it counts for the next handshake: the test's own, not the running connection.
    stage.lab.edge.controlplane.wait_for("reload done", 15, since=mark)
    steps, _ = traversal_test(stage.lab.core)
    require(failed_layers(steps) == ["tls"], f"after the CA was withdrawn: {steps}")
    peer = peers_of(stage.lab.core.ask("zones"))[0]
    require((peer["state"], peer["connects"]) == ("active", connects), f"the running connection: {peer}")


def test_a03_a_second_zone_of_a_pair_is_refused_and_nothing_changes(stage):
    stage.lab.replace_edge()
    stage.lab.replace_core()
    second = f"""
[[zone]]
name = "Second"
type = "uc_traversal"
user = "{ZONE_USER}"
"""
    on_core = second + 'password = "x"\npeers = ["e.example.org"]\nsip_domains = ["example.org"]\n'
    on_edge = second + f'tls_verify_subject_name = ["c.example.org"]\nsip_domains = ["{plan.DOMAIN}"]\n'
    for node, text, why in ((stage.lab.core, on_core, "C has one UC traversal zone only"),
                            (stage.lab.edge, on_edge, f'"{plan.DOMAIN}" belongs to zone "{ZONE}" already')):
        revision = node.ask("status")["site_revision"]
        document = node.folder / "second.toml"
        document.write_text(node.site_path.read_text() + text)
        answer = node.sallyport("apply", "--yes", document, check=False)
        require(why in answer and "nothing was changed" in answer, f"{node.role} answered:\n{answer}")
        require(node.ask("status")["site_revision"] == revision, f"{node.role} has another revision")
    document.write_text(document.read_text().replace(f'"c.example.org"]\nsip_domains = ["{plan.DOMAIN}"]',
                                                     '"c.example.org"]\nsip_domains = ["example.org"]'))
    stage.lab.edge.sallyport("apply", "--yes", document)
    ports = [zone["port"] for zone in stage.lab.edge.ask("zones")]
    require(ports == [plan.TRAVERSAL_PORT, plan.TRAVERSAL_PORT + 1], f"E listens on {ports}")


def test_a21_the_zone_comes_back_when_e_does(stage):
    stage.lab.replace_edge()
    stage.lab.replace_core()
    stage.lab.await_traversal()
    stage.lab.edge.kill_controlplane()
    stage.lab.core.wait_answer(lambda zones: peers_of(zones)[0]["state"] != "active",
                               "a peer that is not active", words=("zones",))
    steps, summary = traversal_test(stage.lab.core)
    require(failed_layers(steps)[0] == "tcp", f"with TCP refused: {steps}")
    require(summary.startswith(f"{plan.EDGE_NAME} cannot be reached: connection refused"), f"told as {summary!r}")
    stage.lab.edge.start_controlplane()
    stage.lab.await_traversal(45)


def multiplex_of(node, connections):
    """The connections of the stream multiplex by number, once so many are active and no other is there."""
    def is_so(zones):
        states = [each["state"] for each in peers_of(zones)[0]["multiplex_connections"]]
        return states == ["active"] * connections

    zones = node.wait_answer(is_so, f"{connections} active connections of the stream multiplex", 30, words=("zones",))
    return {each["number"]: each for each in peers_of(zones)[0]["multiplex_connections"]}


def set_multiplex_connections(core, count):
    text = re.sub(r"(?m)^multiplex_connections = .*\n", "", core.config_path.read_text())
    core.config_path.write_text(text.replace("[traversal]\n", f"[traversal]\nmultiplex_connections = {count}\n"))
    core.reload()


def unchanged(connection):
    return connection["address"], connection["since"], connection["connects"]


def misses_chat_alias(status):
    """What C told E: that E's certificate needs the alias."""
    return any(alarm["kind"] == "certificate_drift" and "chat1.example.com" in alarm["text"] for alarm in status["alarms"])


def test_one_of_several_multiplex_connections_is_cut_and_the_others_live(stage):
    stage.lab.replace_edge()
    stage.lab.replace_core()
    stage.lab.await_traversal()
    core, edge = stage.lab.core, stage.lab.edge
    single = multiplex_of(core, 1)
    # More of them by a reload: the one that stands is not touched.
    set_multiplex_connections(core, 3)
    before, seen_by_edge = multiplex_of(core, 3), multiplex_of(edge, 3)
    require(unchanged(before[1]) == unchanged(single[1]), f"the reload changed {single[1]} into {before[1]}")
    require(sorted(seen_by_edge) == [1, 2, 3], f"E numbers them {sorted(seen_by_edge)}")
    for node in (core, edge):
        require(peers_of(node.ask("zones"))[0]["multiplex"] == "active, 3 connections", f"{node.role} does not show three")
        require(node.counter("sallyport_multiplex_sessions") == 3, f"{node.role} does not count three")
        tried = [step for step in traversal_test(node)[0] if step["layer"] == "multiplex"]
        require([step["verdict"] for step in tried] == ["passed"] * 3, f"from {node.role}: {tried}")
        require("connection 3 active" in tried[2]["detail"], f"from {node.role}: {tried}")
    federation = "\n[unified_communications]\nfederation = true\n"
    for node, text in ((core, federation + 'chat_node_aliases = ["chat1.example.com"]\n'), (edge, federation)):
        node.site_path.write_text(node.site_path.read_text() + text)
        node.sallyport("apply", "--yes", node.site_path)
    edge.wait_answer(misses_chat_alias, "an alarm about the alias of C")
    # The kernel of C resets the second one.
    port = seen_by_edge[2]["address"].rsplit(":", 1)[1]
    stage.lab.spaces["core"].run("ss", "-K", "sport", "=", port, "dport", "=", str(plan.MULTIPLEX_PORT))
    core.wait_answer(lambda zones: peers_of(zones)[0]["multiplex_connections"][1]["connects"] > before[2]["connects"],
                     "a second connection that is made anew", words=("zones",))
    after, after_on_edge = multiplex_of(core, 3), multiplex_of(edge, 3)
    require(misses_chat_alias(edge.ask("status")), "E forgot what C had told it")
    for number in (1, 3):
        require(unchanged(after[number]) == unchanged(before[number]), f"{before[number]} became {after[number]}")
        require(unchanged(after_on_edge[number]) == unchanged(seen_by_edge[number]), f"E: {after_on_edge[number]}")
    require(after_on_edge[2]["address"] != seen_by_edge[2]["address"], "E shows the old second connection")
    # Fewer again: the others end at once, since nothing runs on them, and what C told stays.
    set_multiplex_connections(core, 1)
    last = multiplex_of(core, 1)
    require(unchanged(last[1]) == unchanged(single[1]), f"{single[1]} became {last[1]}")
    multiplex_of(edge, 1)
    require(edge.counter("sallyport_multiplex_sessions") == 1, "E counts connections that are gone")
    require(misses_chat_alias(edge.ask("status")), "E forgot what C had told it")


def test_e_opened_nothing_towards_c(stage):
    counters = stage.lab.inner_firewall.counters()
    require(counters["edge_tried_inside"] == 0, f"the firewall counted {counters}")
