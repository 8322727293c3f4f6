# SPDX-License-Identifier: Apache-2.0
"""One network namespace: made, entered and removed by its name."""
import ctypes
import os
import socket
import threading
from pathlib import Path

from . import command

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A named network namespace. Sockets opened through it live there; nothing else changes side."""

    def __init__(self, name):
        self.name = name

    def create(self):
        command.run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def exec_prefix(self):
        """What to put before a program's argv so that it runs inside."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *argv, **options):
        return command.run(*self.exec_prefix(), *argv, **options)

    def set_resolver(self, address):
        """`ip netns exec` mounts this file over /etc/resolv.conf for what it starts."""
        folder = Path("/etc/netns") / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:1 attempts:2\n")

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        """An unconnected socket inside. setns() moves a thread, so a short-lived thread goes there."""
        made = []

        def open_inside():
            try:
                with open(f"/run/netns/{self.name}", "rb") as door:
                    if _libc.setns(door.fileno(), CLONE_NEWNET) != 0:
                        error = ctypes.get_errno()
                        raise OSError(error, f"setns {self.name}: {os.strerror(error)}")
                made.append(socket.socket(family, kind))
            except OSError as problem:
                made.append(problem)

        visitor = threading.Thread(target=open_inside)
        visitor.start()
        visitor.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def connect(self, host, port, timeout_s=5.0):
        """A TCP connection opened from inside."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        link = self.socket(family)
        link.settimeout(timeout_s)
        try:
            link.connect((host, port))
        except OSError:
            link.close()
            raise
        # Peers write small messages one after the other; none shall wait for the acknowledgement of the last.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link
