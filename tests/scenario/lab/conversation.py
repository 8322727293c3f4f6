# SPDX-License-Identifier: Apache-2.0
"""Both ends of a scripted call talk without a pause, whatever else goes on; afterwards not a packet may be missing."""
import threading
import time

from .report import require
from .rtp_peer import PACKET_S

CALLER_HZ, CALLEE_HZ = 440, 1000


class Conversation:
    """Use as a context manager around what disturbs the call; its RTP peers belong to it meanwhile."""

    def __init__(self, call):
        self._ends = ((call.caller.rtp, CALLER_HZ), (call.callee.rtp, CALLEE_HZ))
        self._sent = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def __enter__(self):
        for rtp, _ in self._ends:
            rtp.listen_until(lambda _: False, 0)
            rtp.received.clear()
        self._thread.start()
        return self

    def __exit__(self, *problem):
        self._over.set()
        self._thread.join()

    def go_on(self, seconds):
        """Waits until so much more has been said."""
        enough, deadline = self._sent + round(seconds / PACKET_S), time.monotonic() + 10 * seconds
        while self._sent < enough and time.monotonic() < deadline:
            self._over.wait(PACKET_S)
        require(self._sent >= enough, f"the conversation stopped at {self._sent} packets of {enough}")

    def require_whole(self):
        for name, (rtp, _) in zip(("caller", "callee"), self._ends):
            rtp.listen_until(lambda r: len(r.received) >= self._sent, 1)
            numbers = set(rtp.sequence_numbers())
            require(numbers, f"the {name} heard nothing")
            missing = self._sent - len(numbers)
            require(missing == 0, f"the {name} misses {missing} of {self._sent} packets")

    def _talk(self):
        begin = time.monotonic()
        while not self._over.is_set():
            for rtp, tone_hz in self._ends:
                rtp.send_tone(tone_hz)
            self._sent += 1
            for rtp, _ in self._ends:
                rtp.take_until(0)
            self._over.wait(max(begin + self._sent * PACKET_S - time.monotonic(), 0))
