# SPDX-License-Identifier: Apache-2.0
"""Chat clients: slixmpp for what a user does, and a scripted one that says anything."""
import base64
import itertools
import re
import socket
import ssl
from pathlib import Path

from . import plan
from .process import Process
from .prosody import password_of

_numbers = itertools.count(1)


class ChatUser:
    """slixmpp in a namespace; `host` is where it connects, whatever its domain's SRV says."""

    def __init__(self, lab, space, user, host, port=5222, direct=False, resume=False, domain=plan.DOMAIN):
        self.jid = f"{user}@{domain}"
        self._socket = str(lab.folder / f"chat{next(_numbers)}.sock")
        argv = ["/usr/bin/python3", Path(__file__).with_name("chat_client.py"), "--jid", self.jid, "--password", password_of(user),
                "--host", host, "--port", str(port), "--ca", lab.wallet.authority.certificate, "--socket", self._socket]
        self.process = Process(f"chat-{user}", lab.spaces[space], argv + ["--direct"] * direct + ["--resume"] * resume,
                               lab.folder / f"chat-{user}-{next(_numbers)}.log")
        lab.keep(self)

    def start(self):
        """Nothing to do: the lab only ends it."""

    def online(self, timeout_s=20):
        self.process.wait_for(r"^online ", timeout_s)
        return self

    def command(self, *words):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(10)
            link.connect(self._socket)
            link.sendall((" ".join(words) + "\n").encode())
            link.recv(16)

    def send(self, to, text):
        self.command("send", to, text)

    def expect(self, pattern, timeout_s=15):
        return self.process.wait_for(pattern, timeout_s)

    def stop(self):
        self.process.stop()


class ScriptedChat:
    """A client on a socket of a namespace: each step of RFC 6120 by hand."""

    HEADER = "<?xml version='1.0'?><stream:stream to='{to}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

    def __init__(self, lab, space="home", host=plan.EDGE_OUTSIDE.host4, port=5222, domain=plan.DOMAIN):
        self.lab, self.domain = lab, domain
        self.link = lab.spaces[space].connect(host, port)
        self.link.settimeout(15)
        self.certificate = None

    def send(self, text):
        self.link.sendall(text.encode() if isinstance(text, str) else text)

    def read_until(self, pattern):
        """Everything up to a match; ends at the end of the stream too, told by an AssertionError."""
        said = ""
        while not re.search(pattern, said):
            more = self.link.recv(65536)
            if not more:
                raise AssertionError(f"the stream ended before {pattern!r}: {said[-500:]!r}")
            said += more.decode()
        return said

    def read_to_end(self):
        said = b""
        try:
            while more := self.link.recv(65536):
                said += more
        except (ConnectionResetError, ssl.SSLError):
            pass
        return said.decode(errors="replace")

    def open(self, to=None):
        self.send(self.HEADER.format(to=self.domain if to is None else to))
        return self

    def secure(self, sni="", verify=True):
        """sni "": none is sent."""
        self.open().read_until("</stream:features>")
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.read_until("<proceed")
        return self.handshake(sni, verify)

    def handshake(self, sni="", verify=True, protocols=()):
        context = ssl.create_default_context(cafile=str(self.lab.wallet.authority.certificate))
        context.check_hostname = bool(sni) and verify
        if not verify:
            context.verify_mode = ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(list(protocols))
        self.link = context.wrap_socket(self.link, server_hostname=sni or None)
        self.certificate = ssl.DER_cert_to_PEM_cert(self.link.getpeercert(binary_form=True))
        return self

    def authenticate(self, user):
        """Returns the features that were offered before it."""
        offered = self.open().read_until("</stream:features>")
        token = base64.b64encode(f"\0{user}\0{password_of(user)}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        self.read_until("<success")
        self.open().read_until("</stream:features>")
        return offered

    def bind(self):
        self.send("<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        found = re.search("<jid>([^<]+)</jid>", self.read_until("</jid>"))
        return found[1]

    def close(self):
        self.link.close()
