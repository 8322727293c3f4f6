# SPDX-License-Identifier: Apache-2.0
"""One hostile source in front of E: perf/media_flood out of the interface that leads to E's outside."""
import json
import subprocess
from dataclasses import dataclass

from . import plan
from .report import require

INTERFACE = plan.INTERNET_EDGE.interface
STRANGER = "203.0.113.66"
PATIENCE_S = 20


@dataclass
class Flooded:
    """What was sent: frames, frames a second, frames that C has to judge, and frames for each reason to drop them."""
    sent: int
    per_s: float
    undecided: int
    drops: dict

    def __str__(self):
        return f"{self.sent} hostile frames at {self.per_s:,.0f} a second"


class MediaFlood:
    """Use as a context manager: floods from entering, for so many seconds; wait() returns what was sent."""

    def __init__(self, lab, targets, kind, per_s, seconds):
        self._seconds = seconds
        self._child = subprocess.Popen(
            [*lab.spaces["internet"].exec_prefix(), lab.build / "perf" / "media_flood", INTERFACE, kind, str(per_s), str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._child.stdin.write(targets)
        self._child.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self._child.kill()
        self._child.wait(PATIENCE_S)
        self._child.stdout.close()

    def wait(self):
        code = self._child.wait(self._seconds + PATIENCE_S)
        line = self._child.stdout.readline()
        require(code == 0 and line, f"media_flood ended with {code}")
        return Flooded(**json.loads(line))


def targets(lab, most=500):
    """What media_flood reads: E's address and link, and flows of phones that run, with the source each is held to."""
    edge = lab.edge
    link = next(stream for leg in edge.ask("calls", "show", edge.ask("calls", "--active")[0]["id"])["legs"]
                for stream in leg["streams"] if leg["side"] == "traversal" and stream["component"] == "rtp")
    streams = [flow["stream"] for flow in edge.ask("flows", "--limit", "4000")]
    flows = [stream for stream in streams if stream["component"] == "rtp" and stream["direction"] == "from_client"
             and stream["latch"] == "confirmed"]
    require(flows, "E holds no flow to a phone")
    mac = json.loads(lab.spaces["edge"].run("ip", "-j", "link", "show", plan.EDGE_OUTSIDE.interface))[0]["address"]
    lines = [f"to {mac}", f"around {STRANGER} {plan.INTERNET_EDGE.host4} {plan.RELAY_PORTS[1] - 1} "
             f"{_words(link['remote'])} {_words(link['local'])}"]
    lines += [f"flow {_words(flow['remote'])} {_words(flow['local'])}" for flow in flows[:most]]
    return "\n".join(lines) + "\n"


def _words(address):
    return address.replace(":", " ")
