# SPDX-License-Identifier: Apache-2.0
"""Bad connections and messages: each gets a clear answer and is counted, and a call beside it loses nothing."""
import socket
import ssl
from types import SimpleNamespace

from lab import plan, sdp, srtp
from lab.report import require
from lab.sip_peer import SipPeer, Unexpected
from lab.witness import Witness

IDLE_CONNECTIONS = 10_000
MALFORMED = "sallyport_sip_malformed_requests_total"
FAILED_HANDSHAKES = "sallyport_tls_handshake_failures_total"


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, witness=Witness(lab))


def _dial(stage, user="visitor", space="internet"):
    return SipPeer.connect_tls(user, stage.lab.spaces[space], plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT)


def _dial_zone(stage, credential):
    """A connection to 7001 from where C stands, as somebody with this certificate."""
    return SipPeer.connect_tls("intruder", stage.lab.spaces["core"], plan.EDGE_INSIDE.host4,
                               plan.TRAVERSAL_PORT, credential=credential)


def _send_garbage(space, address, port):
    link = space.connect(address, port)
    link.settimeout(10)
    try:
        link.sendall(b"GET / HTTP/1.0\r\n\r\n" + bytes(range(256)) * 8)
        while link.recv(4096):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass
    link.close()


def _expect_a_line(node, pattern, since):
    """The operator finds the refusal in the log, with who and why."""
    node.controlplane.wait_for(pattern, 5, since=since)


def test_garbage_on_5061(stage):
    with stage.edge.counting(FAILED_HANDSHAKES, listener="clients", reason="protocol"):
        _send_garbage(stage.lab.spaces["internet"], plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT)
    stage.witness.require_unharmed()


def test_garbage_on_7001(stage):
    mark = stage.edge.controlplane.mark()
    with stage.edge.counting(FAILED_HANDSHAKES, listener="traversal", reason="protocol"):
        _send_garbage(stage.lab.spaces["core"], plan.EDGE_INSIDE.host4, plan.TRAVERSAL_PORT)
    _expect_a_line(stage.edge, rf"zone .*{plan.CORE.host4}", mark)
    stage.witness.require_unharmed()


def test_a_client_without_certificate_on_7001(stage):
    mark = stage.edge.controlplane.mark()
    with stage.edge.counting(FAILED_HANDSHAKES, listener="traversal", reason="no_certificate"):
        try:
            peer = _dial_zone(stage, None)
            peer.send(peer.request("OPTIONS", f"sip:{plan.EDGE_NAME}"))  # TLS 1.3 tells it only now
            require(not peer.expect_closed(), "E talked to a client without certificate")
        except (ssl.SSLError, ConnectionError):
            pass
    _expect_a_line(stage.edge, r"(?i)no .*certificate|certificate .*not|without .*certificate", mark)
    stage.witness.require_unharmed()


def test_a_wrong_digest_on_7001(stage):
    mark = stage.edge.controlplane.mark()
    uri = f"sip:{plan.EDGE_NAME}"
    for user, password, reason in (("exampleauth", "wrong", "wrong_credential"),
                                   ("stranger", "traversal-secret", "unknown_user")):
        peer = _dial_zone(stage, stage.lab.wallet.core)
        peer.user = user
        peer.send(peer.request("OPTIONS", uri))
        challenge = peer.expect(401)
        with stage.edge.counting("sallyport_zone_refused_total", reason=reason):
            peer.send(peer.request("OPTIONS", uri, cseq=2, headers=(
                peer.credentials(challenge, "OPTIONS", uri, password),)))
            peer.expect(403)
        peer.expect_closed()
        peer.close()
    _expect_a_line(stage.edge, r"authentication failed: wrong password for user exampleauth", mark)
    _expect_a_line(stage.edge, r"authentication failed: user stranger", mark)
    stage.witness.require_unharmed()


def test_a_call_on_7001_without_authentication(stage):
    peer = _dial_zone(stage, stage.lab.wallet.core)
    with stage.edge.counting("sallyport_zone_refused_total", reason="not_authenticated"):
        peer.send(peer.request("INVITE", stage.witness.outside.uri))
        peer.expect(403)
    peer.close()
    stage.witness.require_unharmed()


def test_garbage_within_tls(stage):
    mark = stage.edge.controlplane.mark()
    peer = _dial(stage)
    with stage.edge.counting(MALFORMED):
        peer.send_bytes(bytes(range(256)) * 16 + b"\r\n\r\n")
        peer.expect_closed(10)
    _expect_a_line(stage.edge, rf"sip: message from {plan.INTERNET_EDGE.host4}.* refused: 400", mark)
    stage.witness.require_unharmed()


def test_a_header_of_a_megabyte(stage):
    """The answer may be lost on the way, since E closes while the peer still sends; the log has it."""
    mark = stage.edge.controlplane.mark()
    peer = _dial(stage)
    message = peer.request("OPTIONS", f"sip:{plan.DOMAIN}", headers=(("X-Long", "a" * 1_000_000),))
    with stage.edge.counting(MALFORMED):
        try:
            peer.send(message)
            rest = peer.expect_closed(20)
            require(not rest or rest.startswith(b"SIP/2.0 513"), f"answered with {rest[:80]}")
        except (ConnectionError, ssl.SSLError):
            pass
    _expect_a_line(stage.edge, r"refused: 513 Header section too large", mark)
    stage.witness.require_unharmed()


def test_more_header_fields_than_allowed(stage):
    peer = _dial(stage)
    extra = [("X-Field", str(number)) for number in range(300)]
    with stage.edge.counting(MALFORMED):
        peer.send(peer.request("OPTIONS", f"sip:{plan.DOMAIN}", headers=extra))
        peer.expect(513)
    peer.close()
    stage.witness.require_unharmed()


def test_a_body_longer_than_allowed(stage):
    peer = _dial(stage)
    message = peer.request("MESSAGE", stage.witness.inside.uri).encode()
    with stage.edge.counting(MALFORMED):
        peer.send_bytes(message.replace(b"Content-Length: 0", b"Content-Length: 99999999"))
        peer.expect(413)
    peer.close()
    stage.witness.require_unharmed()


def test_a_message_a_byte_at_a_time(stage):
    peer = _dial(stage, "slow")
    message = peer.request("OPTIONS", stage.witness.inside.uri, max_forwards=0)
    for byte in message.encode():
        peer.send_bytes(bytes([byte]))
    peer.expect(483)
    peer.close()
    stage.witness.require_unharmed()


def test_an_sdp_of_100_kb(stage):
    suite = "AES_CM_128_HMAC_SHA1_80"
    cryptos = [(1, suite, srtp.new_inline(suite))]
    padding = ["a=x:" + "y" * 90] * 1000
    body = sdp.describe("192.0.2.1", sdp.stream_lines("audio", 9000, cryptos, extra=padding))
    peer = stage.witness.outside.peer
    with stage.edge.counting("sallyport_media_refused_total"):
        invite = peer.send(peer.request("INVITE", stage.witness.inside.uri, body=body))
        refusal = peer.expect((413, 488))
        peer.acknowledge(invite, refusal)
    require("description" in refusal.start_line + refusal.get("Warning"), f"no reason is given:\n{refusal}")
    stage.witness.require_unharmed()


def test_a_message_that_udp_cannot_carry(stage):
    """E takes 100 KB; C cannot send them to call control in one datagram, and must not call that a dead node."""
    peer = stage.witness.outside.peer
    with stage.core.counting("sallyport_sip_oversized_total"):
        peer.send(peer.request("MESSAGE", stage.witness.inside.uri, body="x" * 100_000,
                               headers=(("Content-Type", "text/plain"),)))
        peer.expect(513)
    states = [node["state"] for node in stage.core.ask("status")["call_control"]]
    require(states == ["up"], f"call control is {states}")
    stage.witness.require_unharmed()


def test_ten_thousand_idle_connections_of_one_source(stage):
    """Those above the limit are closed, those below end at the handshake's deadline; others get in."""
    space = stage.lab.spaces["internet"]
    opened = []
    try:
        with stage.edge.counting("sallyport_tls_accepted_total", IDLE_CONNECTIONS, 20,
                                 listener="clients"):
            for _ in range(IDLE_CONNECTIONS):
                try:
                    opened.append(space.connect(plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT, 5))
                except ConnectionResetError:
                    pass  # refused between the kernel's accept and ours
        stage.witness.require_unharmed()
        elsewhere = _dial(stage, "else", "home")
        elsewhere.send(elsewhere.request("OPTIONS", stage.witness.inside.uri, max_forwards=0))
        elsewhere.expect(483)
        elsewhere.close()
        admitted = _open_ones(opened)
    finally:
        for link in opened:
            link.close()
    limit = 200  # sip.connections_per_source
    require(0 < admitted <= limit, f"{admitted} connections of one source are open, the limit is {limit}")
    refused = sum(stage.edge.counter("sallyport_tls_admissions_total", listener="clients", result=why)
                  for why in ("source_full", "source_too_fast"))
    require(refused >= IDLE_CONNECTIONS - limit - 100, f"only {refused:.0f} refusals were counted")


def _open_ones(links):
    """How many of these the other side has not closed."""
    count = 0
    for link in links:
        link.setblocking(False)
        try:
            link.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            count += 1
        except OSError:
            pass
    return count


def test_random_bytes_over_udp_to_the_sip_port_of_c(stage):
    """Only call control may speak to C; from anywhere else not even an answer."""
    stranger = stage.lab.spaces["desk"].socket(socket.AF_INET, socket.SOCK_DGRAM)
    for size in (0, 1, 5, 100, 1400):
        stranger.sendto(bytes(size), (plan.CORE.host4, 5060))
    peer = SipPeer.open_udp("nobody", stage.lab.spaces["desk"], plan.DESK.host4, (plan.CORE.host4, 5060))
    peer.send(peer.request("OPTIONS", f"sip:{plan.CORE_NAME}"))
    try:
        peer.expect_nothing(2, 0.5)
    except Unexpected as answer:
        raise AssertionError(f"C answered a stranger: {answer}") from None
    stranger.close()
    peer.close()
    stage.witness.require_unharmed()
