# SPDX-License-Identifier: Apache-2.0
"""Reads what `sallyport calls show ID --json` tells of a call into rows for a table.

    {"id", "state", "from", "to", "streams": [{"kind", "legs": [
        {"side", "suite", "packets_received", "packets_sent", "lost", "jitter_ms", "local", "remote"}]}]}

side is "outside" (client to E), "link" (between E and C) or "inside" (C to call control's side).
"""
from dataclasses import dataclass

from .report import require


@dataclass(frozen=True)
class LegRow:
    """One stream on one leg as one node sees it."""
    node: str
    kind: str
    side: str
    suite: str
    received: int
    sent: int
    lost: int
    jitter_ms: float
    local: str
    remote: str

    @property
    def path(self):
        return f"{self.remote} <-> {self.local}"


def legs(node, call):
    """The rows of one node's answer; a key that is missing there fails with its name."""
    return [LegRow(node, stream["kind"], leg["side"], leg["suite"], leg["packets_received"],
                   leg["packets_sent"], leg["lost"], leg["jitter_ms"], leg["local"], leg["remote"])
            for stream in call["streams"] for leg in stream["legs"]]


def require_complete(edge_call, core_call):
    """What the summary must hold for an answered call: secure outside, its suite, packets each way."""
    outside = [row for row in legs("C", core_call) if row.side != "inside" and row.kind == "audio"]
    inside = [row for row in legs("C", core_call) if row.side == "inside" and row.kind == "audio"]
    relayed = [row for row in legs("E", edge_call) if row.kind == "audio"]
    require(outside and inside, "C does not show both legs of the audio stream")
    require(len(relayed) >= 2, "E does not show both legs of the audio stream")
    require(all("AES" in row.suite for row in outside), "the leg towards the client has no SRTP suite")
    require(all(row.received > 0 and row.sent > 0 for row in outside + inside + relayed),
            "a leg of the audio stream carried no packets in one direction")
