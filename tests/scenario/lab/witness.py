# SPDX-License-Identifier: Apache-2.0
"""A registered phone outside and a call that runs, beside whatever a scenario does to the nodes."""
from .report import require
from .scripted_phone import ScriptedCall, registered_pair


class Witness:
    """Made before the trouble; is_unharmed() fails with what was lost."""

    def __init__(self, lab):
        self.lab = lab
        self.outside, self.inside = registered_pair(lab)
        self.call = ScriptedCall.connect(self.outside, self.inside)
        self.call.talk(0.3)

    def require_unharmed(self):
        """The call has media both ways, the registration and its connection stand, every process runs."""
        self.call.talk(0.2)
        for node in (self.lab.edge, self.lab.core):
            require(node.dataplane.is_running() and node.controlplane.is_running(),
                    f"a process of {node.role} ended:\n{node.tail()}")
            listed = [entry["aor"] for entry in node.ask("registrations")]
            require(self.outside.uri in listed, f"{node.role} lists only {listed}")
        connection = self.outside.peer.connection
        self.outside.peer.send_bytes(b"\r\n\r\n")
        connection.settimeout(5)
        require(connection.recv(16) == b"\r\n", "the registered connection does not answer a keep-alive")

    def end(self):
        self.call.end()
