# SPDX-License-Identifier: Apache-2.0
"""Prosody as presence server inside."""
from pathlib import Path

from . import plan
from .process import Process

CONFIG = """\
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
admins = {{ }}
interfaces = {{ "{ip}" }}
c2s_ports = {{ 5222 }}
c2s_direct_tls_ports = {{ 5223 }}
s2s_ports = {{ }}
s2s_direct_tls_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "posix", "ping", "smacks", "presence", "message", "iq", "carbons" }}
modules_disabled = {{ "s2s", "s2s_auth_certs", "offline" }}
allow_registration = false
c2s_require_encryption = true
authentication = "internal_plain"
storage = "internal"
smacks_hibernation_time = 60
limits = {{ }}
log = {{ debug = "*console" }}
{hosts}
"""

ROOMS = """
Component "{name}" "muc"
"""

HOST = """
VirtualHost "{domain}"
  ssl = {{ certificate = "{certificate}", key = "{key}" }}
"""


def password_of(user):
    return f"pw-{user}"


class Prosody:
    """One Prosody at a face; serves domains, and the users that add_user() made before start()."""

    def __init__(self, namespace, face, credential, folder, domains=(plan.DOMAIN,), name="prosody", rooms=()):
        self.name = name
        self.face = face
        self._namespace = namespace
        self._folder = Path(folder) / name
        self._log = Path(folder) / f"{name}.log"
        self._credential = credential
        self._domains = domains
        self._rooms = rooms
        self._process = None

    def add_user(self, user, domain=plan.DOMAIN):
        folder = self._folder / "data" / domain.replace(".", "%2e").replace("-", "%2d") / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{user}.dat").write_text(f'return {{ ["password"] = "{password_of(user)}"; }};\n')

    def start(self):
        self._folder.mkdir(exist_ok=True)
        hosts = "".join(HOST.format(domain=domain, certificate=self._credential.certificate, key=self._credential.key) for domain in self._domains)
        hosts += "".join(ROOMS.format(name=name) for name in self._rooms)
        config = self._folder / "prosody.cfg.lua"
        config.write_text(CONFIG.format(folder=self._folder, ip=self.face.host4, hosts=hosts))
        self._process = Process(self.name, self._namespace, ["prosody", "-F", "--config", config], self._log)
        self._process.wait_for(r"Activated service 'c2s' on", 20)

    def log(self):
        return self._process.output() if self._process else ""

    def kill(self):
        self._process.kill()
        self._process = None

    def stop(self):
        if self._process:
            self._process.stop()
            self._process = None
