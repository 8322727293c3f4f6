# SPDX-License-Identifier: Apache-2.0
"""Reads what `sallyport calls show ID --json` tells of a call into rows for a table.

The answer is a CallView of controlplane/api/node_view.h: legs, each with a side ("client",
"traversal", "inside") and streams, each one direction ("from_..." or "to_...") of RTP or RTCP.
"""
from dataclasses import dataclass

from .report import require

CLEAR, OPAQUE = "none", "opaque"


@dataclass
class LegRow:
    """RTP of one medium on one leg as one node sees it, both directions."""
    node: str
    kind: str
    side: str
    suite: str = ""
    received: int = 0
    sent: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    local: str = ""
    remote: str = ""

    @property
    def path(self):
        return f"{self.remote or '?'} <-> {self.local}"


def legs(node, call):
    """The rows of one node's answer; a key that is missing there fails with its name."""
    rows = {}
    for leg in call["legs"]:
        for stream in leg["streams"]:
            if stream["component"] == "rtp":
                _merge(rows.setdefault((leg["side"], stream["kind"]),
                                       LegRow(node, stream["kind"], leg["side"])), stream)
    return list(rows.values())


def require_complete(edge_call, core_call):
    """What the summary must hold for an answered call: sealed up to C, and packets both ways."""
    edge_rows = [row for row in legs("E", edge_call) if row.kind == "audio"]
    core_rows = [row for row in legs("C", core_call) if row.kind == "audio"]
    require({row.side for row in edge_rows} == {"client", "traversal"},
            f"E shows the audio legs {[row.side for row in edge_rows]}")
    require({row.side for row in core_rows} == {"traversal", "inside"},
            f"C shows the audio legs {[row.side for row in core_rows]}")
    for row in edge_rows + core_rows:
        where = f"{row.node}, {row.side} leg"
        require(row.received > 0 and row.sent > 0, f"{where}: {row.received} received, {row.sent} sent")
        require(row.local and row.remote, f"{where}: does not say where media went")
        wanted = OPAQUE if row.node == "E" else CLEAR if row.side == "inside" else "AES"
        require(wanted in row.suite, f"{where}: suite is {row.suite!r}")


def _merge(row, stream):
    row.suite = stream["suite"]
    row.local = stream["local"] or row.local
    row.remote = stream["remote"] or row.remote
    if stream["direction"].startswith("from_"):
        row.received += stream["packets"]
        row.lost += stream["lost"]
        row.jitter_ms = stream["jitter_ms"]
    else:
        row.sent += stream["packets"]
