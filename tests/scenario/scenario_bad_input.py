# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind: each gets a clear answer, and a call that is up beside it loses nothing."""
import socket
import ssl
from types import SimpleNamespace

from lab import command, plan
from lab.report import require
from lab.scripted_phone import ScriptedCall, registered_pair
from lab.sip_peer import SipPeer, Unexpected

IDLE_CONNECTIONS = 10_000


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    outside, inside = registered_pair(lab)
    stage = SimpleNamespace(lab=lab, outside=outside, inside=inside)
    stage.call = ScriptedCall.connect(outside, inside)
    stage.call.talk(0.3)
    return stage


def _dial(stage, user="visitor"):
    return SipPeer.connect_tls(user, stage.lab.spaces["home"], plan.EDGE_OUTSIDE.host4,
                               plan.SIP_TLS_PORT)


def _the_call_is_unharmed(stage):
    stage.call.talk(0.2)
    for node in (stage.lab.edge, stage.lab.core):
        require(node.dataplane.is_running() and node.controlplane.is_running(),
                f"a process of {node.role} ended:\n{node.tail()}")


def test_garbage_instead_of_tls(stage):
    for space, address, port in (("home", plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT),
                                 ("core", plan.EDGE_INSIDE.host4, plan.TRAVERSAL_PORT)):
        link = stage.lab.spaces[space].connect(address, port)
        link.sendall(b"GET / HTTP/1.0\r\n\r\n" + bytes(range(256)) * 8)
        link.settimeout(10)
        try:
            while link.recv(4096):
                pass
        except ConnectionResetError:
            pass
        link.close()
    _the_call_is_unharmed(stage)


def test_garbage_within_tls(stage):
    peer = _dial(stage)
    peer.send_bytes(bytes(range(256)) * 16 + b"\r\n\r\n")
    peer.expect_closed(40)
    _the_call_is_unharmed(stage)


def test_a_header_of_a_megabyte(stage):
    peer = _dial(stage)
    message = peer.request("OPTIONS", f"sip:{plan.DOMAIN}", headers=(("X-Long", "a" * 1_000_000),))
    try:
        peer.send(message)
        peer.expect_closed(20)
    except (ConnectionError, ssl.SSLError):
        pass  # refused before all of it was sent
    _the_call_is_unharmed(stage)


def test_a_message_a_byte_at_a_time(stage):
    peer = _dial(stage, "slow")
    message = peer.request("OPTIONS", stage.inside.uri, max_forwards=0)
    for byte in message.encode():
        peer.send_bytes(bytes([byte]))
    peer.expect(483)
    peer.close()


def test_an_sdp_of_100_kb(stage):
    peer = stage.outside.peer
    body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    body += "m=audio 9 RTP/SAVP 0\r\n" + "a=x:" + "y" * 90 + "\r\n"
    body += ("a=x:" + "y" * 90 + "\r\n") * 1000
    invite = peer.send(peer.request("INVITE", stage.inside.uri, body=body))
    refusal = peer.expect(4)
    require(refusal.status in (413, 488, 407), f"answered with {refusal.start_line}")
    peer.acknowledge(invite, refusal)
    _the_call_is_unharmed(stage)


def test_many_idle_connections_of_one_source(stage):
    """Those above the limit are closed; others can still connect."""
    space = stage.lab.spaces["home"]
    opened, refused = [], 0
    try:
        for _ in range(IDLE_CONNECTIONS):
            try:
                opened.append(space.connect(plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT, 2))
            except OSError as problem:
                if isinstance(problem, socket.timeout):
                    break
                refused += 1
        _the_call_is_unharmed(stage)
        elsewhere = SipPeer.connect_tls("else", stage.lab.spaces["internet"],
                                        plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT)
        elsewhere.send(elsewhere.request("OPTIONS", stage.inside.uri, max_forwards=0))
        elsewhere.expect(483)
        elsewhere.close()
    finally:
        for link in opened:
            link.close()
    require(opened, "not even one connection was taken")


def test_call_control_down_gives_503_with_retry_after_and_comes_back(stage):
    lab, peer = stage.lab, stage.outside.peer
    lab.call_control.stop()
    try:
        lab.core.wait_answer(lambda s: all(c["state"] == "down" for c in s["call_control"]),
                             "call control being down", 40)
        invite = peer.send(peer.request("INVITE", stage.inside.uri))
        refusal = peer.expect(503)
        require(refusal.get("Retry-After"), f"503 without Retry-After:\n{refusal}")
        peer.acknowledge(invite, refusal)
    finally:
        lab.call_control.start()
    lab.core.wait_answer(lambda s: all(c["state"] == "up" for c in s["call_control"]),
                         "call control being up", 40)
    _the_call_is_unharmed(stage)


def test_a_broken_site_document_is_refused_whole_with_its_place(stage):
    edge = stage.lab.edge
    before = edge.sallyport("export")
    broken = edge.folder / "broken.toml"
    broken.write_text(edge.site_path.read_text() + '\n[[zone]]\nname = "second"\nport = "seven"\n')
    try:
        edge.sallyport("apply", "--yes", broken)
    except command.CommandFailed as refusal:
        line = len(broken.read_text().splitlines())
        require(f":{line}:" in str(refusal), f"line {line} is not named: {refusal}")
    else:
        raise AssertionError("a broken document was applied")
    require(edge.sallyport("export") == before, "part of the broken document was applied")
    _the_call_is_unharmed(stage)


def test_an_exhausted_port_range_gives_503_and_an_alarm(stage):
    """Last, as it starts E anew with room for few streams."""
    lab = stage.lab
    stage.call.end()
    lab.replace_edge(media_port_max=plan.RELAY_PORTS[0] + 7)
    lab.await_traversal(45)
    for _ in range(4):
        outside, inside = registered_pair(lab)
        try:
            ScriptedCall.connect(outside, inside)
        except Unexpected:
            outside.peer.expect(503)
            break
    else:
        raise AssertionError("8 ports carried 4 calls")
    alarms = [alarm["kind"] for alarm in lab.edge.ask("status")["alarms"]]
    require("port_range_exhausted" in alarms, f"alarms: {alarms}")
