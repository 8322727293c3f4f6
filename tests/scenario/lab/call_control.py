# SPDX-License-Identifier: Apache-2.0
"""Kamailio as call control: registrar with digest, Path and outbound, and proxy between phones."""
import json
import socket
from pathlib import Path

from . import plan
from .process import Process

TEMPLATE = Path(__file__).with_name("kamailio.cfg")
TLS_TEMPLATE = Path(__file__).with_name("kamailio-tls.cfg")


def password_of(user):
    """Kamailio's script derives passwords from user names, so that any user can register."""
    return f"pw-{user}"


class CallControl:
    """One Kamailio in one namespace. Listens on UDP and TCP 5060 and TLS 5061 of its face."""

    def __init__(self, namespace, face, credential, ca_file, folder, name="kamailio",
                 host_name=plan.CM_NAME, domain=plan.DOMAIN):
        self.name = name
        self.host_name = host_name
        self.domain = domain
        self.keeps_path = True  # False: a registrar that knows nothing of RFC 3327
        self.demands_certificates = False  # True: of who connects over TLS, and shows them in its log
        self.face = face
        self._namespace = namespace
        self._folder = Path(folder) / name
        self._log = Path(folder) / f"{name}.log"
        self._credential = credential
        self._ca_file = ca_file
        self._process = None

    def start(self):
        self._folder.mkdir(exist_ok=True)
        values = {"@IPV4@": self.face.host4, "@IPV6@": self.face.host6, "@DOMAIN@": self.domain,
                  "@NAME@": self.host_name, "@PATH@": str(int(self.keeps_path)),
                  "@DEMANDS@": str(int(self.demands_certificates)), "@DEMANDED@": "yes" if self.demands_certificates else "no",
                  "@FOLDER@": str(self._folder), "@CERTIFICATE@": str(self._credential.certificate),
                  "@KEY@": str(self._credential.key), "@CA@": str(self._ca_file)}
        config = self._fill(TEMPLATE, values)
        self._fill(TLS_TEMPLATE, values)
        self._process = Process(
            self.name, self._namespace,
            ["kamailio", "-DD", "-E", "-f", config, "-Y", self._folder, "-m", "32", "-M", "8",
             "-P", self._folder / "pid"], self._log)
        self._await_answer()

    def stop(self):
        if self._process:
            self._process.stop()
            self._process = None

    def log(self):
        return self._process.output() if self._process else ""

    def contacts(self, user):
        """The bindings of a user as Kamailio keeps them: a list of dicts with Address, Path and so on."""
        answer = self._rpc("ul.lookup", ["location", user])
        if "result" not in answer:
            return []
        return [item["Contact"] for item in answer["result"]["Contacts"]]

    def _rpc(self, method, params):
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            asker.settimeout(5)
            own = self._folder / "asker.sock"
            own.unlink(missing_ok=True)
            asker.bind(str(own))
            asker.sendto(json.dumps(request).encode(), str(self._folder / "rpc.sock"))
            return json.loads(asker.recv(262144))

    def _fill(self, template, values):
        text = template.read_text()
        for key, value in values.items():
            text = text.replace(key, value)
        target = self._folder / template.name
        target.write_text(text)
        return target

    def _await_answer(self):
        """Ready means: answers an OPTIONS over UDP. Asked again each half second, as a UDP client does."""
        with self._namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(0.5)
            asker.bind((self.face.host4, 0))
            port = asker.getsockname()[1]
            for attempt in range(20):
                asker.sendto(
                    f"OPTIONS sip:{self.domain} SIP/2.0\r\n"
                    f"Via: SIP/2.0/UDP {self.face.host4}:{port};branch=z9hG4bKready{attempt}\r\n"
                    f"From: <sip:lab@{self.domain}>;tag=lab\r\nTo: <sip:{self.domain}>\r\n"
                    f"Call-ID: ready-{attempt}@lab\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\n"
                    "Content-Length: 0\r\n\r\n".encode(), (self.face.host4, 5060))
                try:
                    if asker.recv(4096).startswith(b"SIP/2.0 200"):
                        return
                except (socket.timeout, ConnectionRefusedError):
                    if not self._process.is_running():
                        break
        raise RuntimeError(f"{self.name} does not answer; see {self._log}\n{self._process.tail()}")
