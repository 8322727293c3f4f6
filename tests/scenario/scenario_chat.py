# SPDX-License-Identifier: Apache-2.0
"""Chat clients outside reach presence servers inside through the pair: STARTTLS by SNI or `to`, direct TLS, failover, limits."""
import re
import ssl
import time
from types import SimpleNamespace

from lab import command, plan
from lab.chat import ChatUser, ScriptedChat
from lab.prosody import Prosody, password_of
from lab.report import require

TENANT = "tenant.example.net"
USERS = ("anna", "ben", "cleo")
ROOMS = (f"chat1.{plan.DOMAIN}", f"chat2.{plan.DOMAIN}")


def setup(lab):
    lab.start_peers()
    credential = lab.wallet.authority.issue("imp", plan.IMP_NAME, names=(plan.IMP_NAME, plan.IMP2_NAME, plan.DOMAIN, TENANT))
    lab.spaces.add_address("cm", plan.CM2.interface, plan.CM2.ipv4)
    stage = SimpleNamespace(lab=lab, servers=[])
    for name, face in (("prosody", plan.CM), ("prosody2", plan.CM2)):
        server = Prosody(lab.spaces["cm"], face, credential, lab.folder, (plan.DOMAIN, TENANT), name, ROOMS)
        server.add_user("edge")
        for user in USERS:
            server.add_user(user)
            server.add_user(user, TENANT)
        server.start()
        stage.servers.append(lab.keep(server))
    stage.password = lab.folder / "edge.password"
    stage.password.write_text("not the one that it is\n")
    lab.start_nodes(presence=(plan.IMP_NAME, plan.IMP2_NAME), presence_domains=(plan.DOMAIN, TENANT), presence_discovery=(f"edge@{plan.DOMAIN}", stage.password))
    lab.core.sallyport("trust", "add", "presence", lab.wallet.authority.certificate)
    return stage


def _streams(node):
    return node.ask("xmpp", "streams")


def _no_streams(lab):
    for node in (lab.edge, lab.core):
        node.wait_answer(lambda told: not told, "no streams", 15, ("xmpp", "streams"))


def _needed(node):
    return [line.split()[0] for line in node.sallyport("cert", "request", "server", "--preview").splitlines() if "DNS:" in line]


def test_b24_e16_chat_nodes_are_found_and_asked_for_in_requests_of_both(stage):
    """C asks the presence server by a user of it; what has no user, or the wrong password, is told."""
    lab = stage.lab
    lab.core.wait_answer(lambda status: any(alarm["kind"] == "chat_nodes_unknown" and "not-authorized" in alarm["text"] for alarm in status["alarms"]), "an alarm of the wrong password")
    for node in (lab.edge, lab.core):
        site = lab.folder / f"federation-{node.role}.toml"
        site.write_text(node.sallyport("export") + "\n[unified_communications]\nfederation = true\n")
        node.sallyport("apply", site, "--yes")
        require(not any(room in name for name in _needed(node) for room in ROOMS), "the names are known before they were found")
    stage.password.write_text(password_of("edge") + "\n")
    lab.core.sallyport("xmpp", "discover")
    told = lab.core.wait_answer(lambda nodes: nodes[0]["discovery"] == "found", "the chat nodes", words=("xmpp", "presence"))
    require(tuple(told[0]["chat_nodes"]) == ROOMS and told[1]["discovery"] == "not asked", f"{told}")
    for node in (lab.edge, lab.core):
        node.wait_answer(lambda preview: all(f"DNS:{room}" in preview["names"] for room in ROOMS), f"both names in the request of {node.role}", words=("cert", "request", "server", "--preview"))
    require(not any(alarm["kind"] == "chat_nodes_unknown" for alarm in lab.core.ask("status")["alarms"]), "the alarm stays")
    require(lab.core.counter("sallyport_chat_nodes") == len(ROOMS), "the metric tells otherwise")


def test_c10_a_chat_client_outside_talks_with_one_inside(stage):
    lab = stage.lab
    with lab.edge.counting("sallyport_xmpp_stanzas_total", 5), lab.edge.counting("sallyport_xmpp_streams_total", event="authenticated"):
        outside = ChatUser(lab, "home", "anna", plan.EDGE_OUTSIDE.host4).online()
        inside = ChatUser(lab, "desk", "ben", plan.CM.host4).online()
        outside.send(inside.jid, "hello from outside")
        inside.expect(r"^message anna@example.com hello from outside")
        inside.send(outside.jid, "hello & <from> inside \u00fc")
        outside.expect("^message ben@example.com hello & <from> inside \u00fc")
        inside.command("presence", outside.jid, "subscribe")
        outside.expect(r"^presence ben@example.com\S* (subscribe|available)")
        at_e, at_c = _streams(lab.edge), _streams(lab.core)
        require(len(at_e) == 1 and len(at_c) == 1 and at_e[0]["id"] == at_c[0]["id"], f"told {at_e} and {at_c}")
        require(at_e[0]["state"] == at_c[0]["state"] == "established" and at_e[0]["domain"] == plan.DOMAIN, f"told {at_e}")
        require(at_c[0]["source"] == at_e[0]["source"] and at_c[0]["by"] == "imp1", f"told {at_c}")
        for user in (outside, inside):
            user.command("quit")
        _no_streams(lab)


def test_direct_tls_is_taken_on_its_own_port(stage):
    lab = stage.lab
    direct = ChatUser(lab, "home", "anna", plan.EDGE_OUTSIDE.host4, port=5223, direct=True).online()
    other = ChatUser(lab, "home", "cleo", plan.EDGE_OUTSIDE.host4).online()
    direct.send(other.jid, "by direct TLS")
    other.expect(r"^message anna@example.com by direct TLS")
    direct.command("quit")
    other.command("quit")
    _no_streams(lab)


def test_direct_tls_speaks_xmpp_and_nothing_else(stage):
    lab = stage.lab
    for offered, agreed in ((["xmpp-client"], "xmpp-client"), (["h2", "xmpp-client"], "xmpp-client"), ([], None)):
        client = ScriptedChat(lab, port=5223).handshake(plan.DOMAIN, protocols=offered)
        require(client.link.selected_alpn_protocol() == agreed, f"offered {offered}: {client.link.selected_alpn_protocol()}")
        client.authenticate("anna")
        client.close()
    try:
        ScriptedChat(lab, port=5223).handshake(plan.DOMAIN, protocols=["http/1.1"])
    except ssl.SSLError as refused:
        require("no application protocol" in str(refused), f"told {refused}")
    else:
        raise AssertionError("another protocol was taken")
    _no_streams(lab)


def test_c02_c10_the_certificate_is_chosen_by_sni_and_else_by_the_streams_to(stage):
    lab = stage.lab
    before = ScriptedChat(lab, domain=TENANT).secure(verify=False)
    before.authenticate("ben")
    own = before.bind()
    lab.edge.sallyport("domain", "add", TENANT)
    lab.edge.sallyport("cert", "request", f"domain/{TENANT}", "--key", "ecdsa-p256")
    request = lab.edge.sallyport("cert", "requests", f"domain/{TENANT}")
    answer = lab.folder / "tenant.pem"
    answer.write_text(lab.wallet.authority.answer("tenant", request, (TENANT,)))
    lab.edge.sallyport("cert", "upload", f"domain/{TENANT}", answer)

    def serial(pem):
        return command.run("openssl", "x509", "-noout", "-serial", stdin=pem)

    tenants = serial(answer.read_text())
    platforms = serial(lab.wallet.edge.certificate.read_text())
    for domain, sni, wanted in ((TENANT, TENANT, tenants), (TENANT, "", tenants), (plan.DOMAIN, "", platforms), (plan.DOMAIN, TENANT, tenants)):
        client = ScriptedChat(lab, domain=domain).secure(sni, verify=False)
        require(serial(client.certificate) == wanted, f"to {domain}, SNI {sni or 'none'}: {serial(client.certificate)}, not {wanted}")
        client.close()
    bound = ScriptedChat(lab, domain=TENANT).secure(TENANT)
    bound.authenticate("anna")
    require(bound.bind().startswith(f"anna@{TENANT}/"), "bound to another domain")
    bound.close()
    before.send(f"<message to='{own}' type='chat'><body>from before</body></message>")
    before.read_until("from before")  # a stream does not end because certificates change
    before.close()
    _no_streams(lab)


def test_what_binds_to_a_channel_is_taken_out_of_the_offer(stage):
    inside = ScriptedChat(stage.lab, "desk", plan.CM.host4).secure(plan.DOMAIN).open().read_until("</stream:features>")
    client = ScriptedChat(stage.lab).secure(plan.DOMAIN)
    offered = client.authenticate("anna")
    require("<mechanism>SCRAM-SHA-1</mechanism>" in offered and "-PLUS" not in offered, f"offered {offered}")
    require(re.findall("<mechanism>[^<]*[^S]</mechanism>", inside) == re.findall("<mechanism>[^<]*[^S]</mechanism>", offered), f"inside {inside}, outside {offered}")
    client.close()


def test_bad_streams_are_refused_by_name(stage):
    lab = stage.lab

    client = ScriptedChat(lab)
    with lab.edge.counting("sallyport_xmpp_refused_total", reason="not_well_formed"):
        client.send("GET / HTTP/1.1\r\n\r\n")
        require("not-well-formed" in client.read_to_end(), "HTTP was taken for XMPP")
    for first, second, condition in ((ScriptedChat.HEADER.format(to="other.example.net").replace("jabber:client", "jabber:server"), "", "invalid-namespace"),
                                     (ScriptedChat.HEADER.format(to=""), "", "improper-addressing"),
                                     (ScriptedChat.HEADER.format(to=plan.DOMAIN).replace("'1.0' xmlns", "'0.9' xmlns"), "", "unsupported-version"),
                                     ("<!DOCTYPE stream [<!ENTITY a 'b'>]>", "", "restricted-xml"),
                                     (ScriptedChat.HEADER.format(to=plan.DOMAIN), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>", "STARTTLS is required"),
                                     (ScriptedChat.HEADER.format(to=plan.DOMAIN), "<!-- hidden -->", "restricted-xml"),
                                     (ScriptedChat.HEADER.format(to=plan.DOMAIN), "<a>" * 40, "policy-violation"),
                                     (ScriptedChat.HEADER.format(to=plan.DOMAIN), "<a>" + "x" * 70000, "policy-violation"),
                                     (ScriptedChat.HEADER.format(to=plan.DOMAIN), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><iq/>", "nothing may follow STARTTLS")):
        client = ScriptedChat(lab)
        client.send(first)
        if second:
            client.read_until("</stream:features>")
            client.send(second)
        said = client.read_to_end()
        require(condition in said, f"{first[-60:]} {second[:60]}: {condition} is not in {said}")
    unknown = ScriptedChat(lab, domain="unknown.example.net").secure("unknown.example.net", verify=False)
    said = unknown.open().read_to_end()
    require("host-unknown" in said, f"told {said}")
    _no_streams(lab)


def test_after_authentication_larger_stanzas_pass_and_too_large_ones_end_the_stream(stage):
    lab = stage.lab
    client = ScriptedChat(lab).secure(plan.DOMAIN)
    client.authenticate("anna")
    own = client.bind()
    text = "y" * 200_000
    client.send(f"<message to='{own}' type='chat'><body>{text}</body></message>")
    require(text in client.read_until("</message>"), "a message of 200 kB was changed")
    with lab.edge.counting("sallyport_xmpp_refused_total", reason="too_big"):
        try:
            client.send(f"<message to='{own}'><body>" + "y" * 2_000_000)
        except OSError:
            pass  # it was ended while we still wrote
        client.read_to_end()
    _no_streams(lab)


def test_a_source_has_only_so_many_streams_that_are_not_authenticated(stage):
    lab = stage.lab
    waiting = [ScriptedChat(lab) for _ in range(20)]
    for client in waiting:
        client.open().read_until("</stream:features>")
    with lab.edge.counting("sallyport_xmpp_refused_total", reason="source_full"):
        require(ScriptedChat(lab).open().read_to_end() == "", "one more was taken")
    for client in waiting:
        client.close()
    _no_streams(lab)
    ScriptedChat(lab).secure(plan.DOMAIN).close()


def test_a_stream_is_resumed_over_another_connection(stage):
    lab = stage.lab
    client = ScriptedChat(lab).secure(plan.DOMAIN)
    client.authenticate("anna")
    own = client.bind()
    client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    resumption = re.search(r"id='([^']+)'|id=\"([^\"]+)\"", client.read_until("<enabled[^>]*>").split("<enabled")[1])
    resumption = resumption[1] or resumption[2]
    client.close()  # without a farewell
    lab.core.wait_answer(lambda told: not told, "the end of the first connection", 15, ("xmpp", "streams"))
    again = ScriptedChat(lab).secure(plan.DOMAIN)
    again.authenticate("anna")
    again.send(f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{resumption}'/>")
    again.read_until("<resumed")
    again.send(f"<message to='{own}' type='chat'><body>still me</body></message>")
    again.read_until("still me")
    again.close()
    _no_streams(lab)


def test_another_presence_server_is_taken_when_the_first_is_gone(stage):
    lab = stage.lab
    stage.servers[0].kill()
    client = ChatUser(lab, "home", "ben", plan.EDGE_OUTSIDE.host4).online()
    told = {each["name"]: each for each in lab.core.ask("xmpp", "presence")}
    require(told["imp1"]["state"] == "failing" and "refused" in told["imp1"]["text"], f"told {told}")
    require(told["imp2"]["state"] == "up" and told["imp2"]["streams"] == 1, f"told {told}")
    client.command("quit")
    _no_streams(lab)
    stage.servers[1].kill()
    said = ScriptedChat(lab).secure(plan.DOMAIN).open().read_to_end()
    require("remote-connection-failed" in said and "refused" not in said and plan.CM.host4 not in said, f"a stranger is told of the inside: {said}")
    status = lab.core.ask("status")
    down = [alarm for alarm in status["alarms"] if alarm["kind"] == "presence_server_down"]
    require(len(down) == 2 and "refused" in down[0]["text"] and status["state"] == "degraded", f"told {status['alarms']}, {status['state']}")
    for server in stage.servers:
        server.start()
    # They are found without a client (presence servers are probed).
    lab.core.wait_answer(lambda told: all(each["state"] == "up" for each in told), "both presence servers", 45, ("xmpp", "presence"))
    lab.keep(ChatUser(lab, "home", "ben", plan.EDGE_OUTSIDE.host4)).online().command("quit")
    _no_streams(lab)


def test_a_presence_server_with_a_strangers_certificate_is_sent_nothing(stage):
    lab = stage.lab
    fingerprint = next(each["fingerprint_sha256"] for each in lab.core.ask("trust", "list", "--purpose", "presence"))
    lab.core.sallyport("trust", "remove", "presence", fingerprint[:16], "--yes")
    said = ScriptedChat(lab).secure(plan.DOMAIN).open().read_to_end()
    require("remote-connection-failed" in said and "Lab CA" not in said, f"told {said}")
    told = lab.core.ask("xmpp", "presence")
    require(all(each["state"] == "failing" and "Lab CA" in each["text"] for each in told), f"told {told}")
    lab.core.sallyport("trust", "add", "presence", lab.wallet.authority.certificate)
    ScriptedChat(lab).secure(plan.DOMAIN).open().read_until("</stream:features>")


def test_streams_end_on_both_sides_when_the_link_does(stage):
    lab = stage.lab
    client = ScriptedChat(lab).secure(plan.DOMAIN)
    client.authenticate("cleo")
    client.bind()
    lab.core.kill_controlplane()
    client.read_to_end()
    lab.edge.wait_answer(lambda told: not told, "no streams", 15, ("xmpp", "streams"))
    lab.core.start_controlplane()
    lab.core.wait_ready()
    lab.await_traversal()
    deadline = time.monotonic() + 20
    while True:
        try:
            ScriptedChat(lab).secure(plan.DOMAIN).open().read_until("</stream:features>")
            return
        except AssertionError:
            require(time.monotonic() < deadline, "clients are not served again")
