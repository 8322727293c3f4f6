# SPDX-License-Identifier: Apache-2.0
"""A scripted SIP endpoint: sends what the dialogue says, waits for what it expects, nothing by itself.

For dialogues that no phone makes: streams added late, PRACK, UPDATE, forking, torture messages.
"""
import hashlib
import re
import socket
import ssl
import time

from . import plan
from .call_control import password_of
from .sip_message import SipMessage, new_branch, new_tag, read_from


class Unexpected(AssertionError):
    """Something else came than the dialogue expects, or nothing did."""


class SipPeer:
    """One user agent over one connection (TLS, TCP) or one UDP socket; blocking, with deadlines."""

    def __init__(self, user, transport, connection, remote=None, host=None, domain=plan.DOMAIN):
        self.user = user
        self.domain = domain
        self.transport = transport
        self.connection = connection
        own = connection.getsockname()
        self.host = host or (f"[{own[0]}]" if ":" in own[0] else own[0])
        self.port = own[1]
        self.tag = new_tag()
        self._remote = remote
        self._buffer = b""
        self._pending = []
        self._seen = set()

    @classmethod
    def connect_tls(cls, user, namespace, address, port, ca_file=None, credential=None,
                    server_name=plan.EDGE_NAME, source=None, **options):
        """Dials a TLS listener. Without a CA file the server's certificate is not checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = ca_file is not None
        context.verify_mode = ssl.CERT_REQUIRED if ca_file else ssl.CERT_NONE
        if ca_file:
            context.load_verify_locations(str(ca_file))
        if credential:
            context.load_cert_chain(str(credential.certificate), str(credential.key))
        plain = namespace.connect(address, port)
        return cls(user, "TLS", context.wrap_socket(plain, server_hostname=server_name), **options)

    @classmethod
    def connect_tcp(cls, user, namespace, address, port, **options):
        return cls(user, "TCP", namespace.connect(address, port), **options)

    @classmethod
    def open_udp(cls, user, namespace, own_address, remote=None, port=0, **options):
        """remote is (address, port) of where requests go; responses go back where requests came from."""
        family = socket.AF_INET6 if ":" in own_address else socket.AF_INET
        end = namespace.socket(family, socket.SOCK_DGRAM)
        end.bind((own_address, port))
        return cls(user, "UDP", end, remote=remote, **options)

    @property
    def contact(self):
        return f"<sip:{self.user}@{self.host}:{self.port};transport={self.transport.lower()}>"

    def request(self, method, uri, to=None, call_id=None, cseq=1, headers=(), body="",
                from_tag=None, to_tag="", max_forwards=70):
        """A request outside a dialog with everything a request needs; not sent yet."""
        message = SipMessage(f"{method} {uri} SIP/2.0")
        message.add("Via", f"SIP/2.0/{self.transport} {self.host}:{self.port};rport;branch={new_branch()}")
        message.add("Max-Forwards", max_forwards)
        message.add("From", f"<sip:{self.user}@{self.domain}>;tag={from_tag or self.tag}")
        message.add("To", f"<{to or uri}>" + (f";tag={to_tag}" if to_tag else ""))
        message.add("Call-ID", call_id or f"{new_tag()}@{self.host.strip('[]')}")
        message.add("CSeq", f"{cseq} {method}")
        message.add("Contact", self.contact)
        for name, value in headers:
            message.add(name, value)
        if body and not message.get("Content-Type"):
            message.add("Content-Type", "application/sdp")
        message.body = body
        return message

    def reply(self, request, status, reason, headers=(), body="", to_tag=None):
        """The response to a request; not sent yet."""
        message = SipMessage(f"SIP/2.0 {status} {reason}")
        for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
            for value in request.all(name):
                if name == "To" and status > 100 and ";tag=" not in value:
                    value += f";tag={to_tag or self.tag}"
                message.add(name, value)
        if 100 < status < 300:
            message.add("Contact", self.contact)
        for name, value in headers:
            message.add(name, value)
        if body:
            message.add("Content-Type", "application/sdp")
        message.body = body
        return message

    def send(self, message):
        self.send_bytes(message.encode())
        return message

    def send_bytes(self, data):
        if self.transport != "UDP":
            self.connection.sendall(data)
        else:
            self.connection.sendto(data, self._remote)

    def expect(self, what, timeout_s=8.0, call_id=None):
        """Waits for a request by its method or a response by its status; others stay for later.

        A status below 100 stands for its class: 2 for any 2xx. A tuple takes any of its members.
        """
        deadline = time.monotonic() + timeout_s
        passed = []
        while True:
            message = self._next(deadline)
            if message is None:
                self._pending = passed
                heard = [m.start_line for m in passed]
                raise Unexpected(f"{self.user} expected {what}, heard {heard or 'nothing'}")
            if _fits(message, what) and (call_id is None or message.get("Call-ID") == call_id):
                self._pending = passed + self._pending
                return message
            passed.append(message)

    def expect_nothing(self, what, within_s):
        """Proves an absence: the message must not come within the time."""
        try:
            message = self.expect(what, within_s)
        except Unexpected:
            return
        raise Unexpected(f"{self.user} got {message.start_line}, which must not come")

    def expect_closed(self, timeout_s=8.0):
        """Waits until the other side closes the connection; returns what it still sent."""
        self.connection.settimeout(timeout_s)
        rest = b""
        try:
            while data := self.connection.recv(65536):
                rest += data
        except (ConnectionResetError, ssl.SSLError):
            pass
        except socket.timeout:
            raise Unexpected(f"the connection of {self.user} is still open") from None
        return rest

    def register(self, registrar=None, expires=60, headers=(), contact=None, algorithm=None):
        """Registers with digest and returns the 200."""
        uri = registrar or f"sip:{self.domain}"
        call_id = f"{new_tag()}@reg"
        instance = f'"<urn:uuid:00000000-0000-4000-8000-{int(self.tag, 16) & 0xFFFFFFFFFFFF:012x}>"'

        def build(cseq, extra):
            message = self.request("REGISTER", uri, to=f"sip:{self.user}@{self.domain}",
                                   call_id=call_id, cseq=cseq,
                                   headers=(("Supported", "path, outbound"), ("Expires", expires),
                                            *headers, *extra))
            message.headers = [(n, v) for n, v in message.headers if n != "Contact"]
            return message.add("Contact", contact or f"{self.contact};reg-id=1;+sip.instance={instance}")

        self.send(build(1, ()))
        challenge = self.expect(401, call_id=call_id)
        self.send(build(2, [self.credentials(challenge, "REGISTER", uri)]))
        return self.expect(200, call_id=call_id)

    def invite(self, uri, body="", headers=()):
        """Sends an INVITE and answers the registrar's challenge; returns the INVITE that stands."""
        first = self.send(self.request("INVITE", uri, body=body, headers=headers))
        challenge = self.expect(407, call_id=first.get("Call-ID"))
        self.acknowledge(first, challenge)
        return self.send(self.request(
            "INVITE", uri, call_id=first.get("Call-ID"), cseq=2, body=body,
            headers=(*headers, self.credentials(challenge, "INVITE", uri))))

    def acknowledge(self, invite, response):
        """The hop-by-hop ACK of a failure: same branch, same Request-URI (RFC 3261 17.1.1.3)."""
        return self.send(self._follow(invite, "ACK", response.get("To")))

    def cancel(self, invite):
        return self.send(self._follow(invite, "CANCEL", invite.get("To")))

    def credentials(self, challenge, method, uri, password=None):
        """The header that answers a 401 or 407: (name, value)."""
        proxy = challenge.status == 407
        asked = challenge.get("Proxy-Authenticate" if proxy else "WWW-Authenticate")
        value = digest_answer(asked, self.user, password or password_of(self.user), method, uri)
        return "Proxy-Authorization" if proxy else "Authorization", value

    def take_over(self, other):
        """Goes on over the connection of another peer that has just been made."""
        self.connection.close()
        self.connection, self.host, self.port = other.connection, other.host, other.port
        self._buffer, self._pending = b"", []

    def close(self):
        self.connection.close()

    @staticmethod
    def _follow(invite, method, to):
        message = SipMessage(f"{method} {invite.uri} SIP/2.0")
        message.add("Via", invite.get("Via"))
        for route in invite.all("Route"):
            message.add("Route", route)
        message.add("Max-Forwards", 70)
        message.add("From", invite.get("From"))
        message.add("To", to)
        message.add("Call-ID", invite.get("Call-ID"))
        return message.add("CSeq", f"{invite.get('CSeq').split()[0]} {method}")

    def _next(self, deadline):
        """A message kept for later first, then whatever comes off the wire; None at the deadline."""
        if self._pending:
            return self._pending.pop(0)
        while True:
            message, self._buffer = read_from(self._buffer)
            if message is not None:
                if self._is_repeated(message):
                    continue
                return message
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            self.connection.settimeout(left_s)
            try:
                self._receive()
            except (socket.timeout, ssl.SSLWantReadError):
                return None

    def _receive(self):
        if self.transport == "UDP":
            data, self._remote = self.connection.recvfrom(65536)
            self._buffer = data
            return
        data = self.connection.recv(65536)
        if not data:
            raise Unexpected(f"the connection of {self.user} was closed")
        self._buffer += data

    def _is_repeated(self, message):
        """Over UDP a request or final answer may come again; the script sees it once."""
        if self.transport != "UDP":
            return False
        mark = hashlib.sha1(message.encode()).digest()
        if mark in self._seen:
            return True
        self._seen.add(mark)
        return False


def _fits(message, what):
    if isinstance(what, tuple):
        return any(_fits(message, each) for each in what)
    if isinstance(what, str):
        return message.is_request and message.method == what
    return not message.is_request and what in (message.status, message.status // 100)


def digest_answer(challenge, user, password, method, uri):
    """RFC 7616, MD5 or SHA-256, with qop=auth when it is offered."""
    fields = dict(re.findall(r'(\w+)=(?:"([^"]*)"|[^",\s]+)', challenge))
    fields.update({k: v for k, v in re.findall(r'(\w+)=([^",\s]+)', challenge) if not fields.get(k)})
    algorithm = fields.get("algorithm", "MD5")
    hashed = hashlib.sha256 if algorithm.upper().startswith("SHA-256") else hashlib.md5

    def digest(text):
        return hashed(text.encode()).hexdigest()

    first = digest(f"{user}:{fields['realm']}:{password}")
    second = digest(f"{method}:{uri}")
    parts = [f'username="{user}"', f'realm="{fields["realm"]}"', f'nonce="{fields["nonce"]}"',
             f'uri="{uri}"', f"algorithm={algorithm}"]
    if "auth" in fields.get("qop", "").split(","):
        client_nonce = new_tag()
        answer = digest(f"{first}:{fields['nonce']}:00000001:{client_nonce}:auth:{second}")
        parts += ["qop=auth", "nc=00000001", f'cnonce="{client_nonce}"']
    else:
        answer = digest(f"{first}:{fields['nonce']}:{second}")
    if "opaque" in fields:
        parts.append(f'opaque="{fields["opaque"]}"')
    return "Digest " + ", ".join([*parts, f'response="{answer}"'])
