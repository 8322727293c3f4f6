# SPDX-License-Identifier: Apache-2.0
"""A stream of thousands of packets a second through calls that are up: perf/media_load on the sockets of their phones."""
import base64
import json
import subprocess
import time
from dataclasses import dataclass

from .report import require

# abi::Suite
SUITE_NUMBERS = {"AES_CM_128_HMAC_SHA1_80": 1, "AES_CM_128_HMAC_SHA1_32": 2, "AES_256_CM_HMAC_SHA1_80": 3,
                 "AEAD_AES_128_GCM": 4, "AEAD_AES_256_GCM": 5}
ANSWER_S = 15


@dataclass
class Flow:
    """What one direction of all calls carried."""
    sent: int
    received: int
    repeated: int
    rejected: int
    longest_gap_ms: float

    @property
    def lost(self):
        return self.sent - self.received


@dataclass
class Tally:
    seconds: float
    to_callee: Flow
    to_caller: Flow
    p50_us: float
    p99_us: float

    @property
    def lost(self):
        return self.to_callee.lost + self.to_caller.lost

    @property
    def longest_gap_ms(self):
        return max(self.to_callee.longest_gap_ms, self.to_caller.longest_gap_ms)

    def __str__(self):
        sent = self.to_callee.sent + self.to_caller.sent
        # A report right after the start tells 0.000 s.
        return f"{self.lost} of {sent} packets lost at {sent / max(self.seconds, 0.001):,.0f} a second"


class MediaLoad:
    """Use as a context manager: sends from entering until stop(); the phones' RTP sockets belong to it meanwhile.

    spares are RTP peers to which callers may be rebound. first_sequence and gap: where streams begin, and how many packets
    they lose at most on each side of a wrap, on purpose.
    """

    def __init__(self, build, calls, packets_per_s, spares=(), first_sequence=None, gap=0):
        self._calls = calls
        self._sequence = first_sequence, gap
        ends = [call.caller.rtp for call in calls] + [call.callee.rtp for call in calls] + list(spares)
        self._child = subprocess.Popen([build / "perf" / "media_load", str(packets_per_s)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True, pass_fds=[end.rtp.fileno() for end in ends])

    def __enter__(self):
        if self._sequence[0] is not None:
            self._say("sequence {} {}".format(*self._sequence))
        for call in self._calls:
            self._say("stream " + " ".join(_words(end.rtp) for end in (call.caller, call.callee)))
        self._say("start")
        require(self._hear() == "started\n", "media_load did not start")
        return self

    def __exit__(self, *problem):
        self._child.stdin.close()
        self._child.stdout.close()
        self._child.wait(ANSWER_S)

    def rebind(self, number, spare):
        """The caller of call `number` goes on from another port, as behind a NAT that forgot it; afterwards too."""
        self._say(f"rebind {number} {spare.rtp.fileno()}")
        self._calls[number].caller.rtp.exchange_rtp(spare)

    def mark(self):
        """Counts anew from here."""
        self._say("mark")

    def report(self):
        """So far; what is under way counts as lost."""
        self._say("report")
        return _tally(self._hear())

    def go_on(self, packets, timeout_s=30):
        """Until each direction has carried so many more."""
        begin, deadline = self.report(), time.monotonic() + timeout_s
        while True:
            now = self.report()
            if all(after.received - before.received >= packets for before, after in
                   ((begin.to_callee, now.to_callee), (begin.to_caller, now.to_caller))):
                return
            require(time.monotonic() < deadline, f"the stream does not get on: {now}")
            time.sleep(0.05)

    def stop(self):
        """Ends sending, waits for what is under way, and tells what it came to."""
        self._say("stop")
        return _tally(self._hear())

    def _say(self, line):
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def _hear(self):
        line = self._child.stdout.readline()
        require(line, f"media_load ended with {self._child.poll()}")
        return line


def _words(rtp):
    address, port = rtp.remote
    suite, own, theirs = rtp.keys or (None, "", "")
    return (f"{rtp.rtp.fileno()} {address} {port} {SUITE_NUMBERS.get(suite, 0)} "
            f"{_hex(own)} {_hex(theirs)}")


def _hex(inline):
    return base64.b64decode(inline.split("|")[0]).hex() if inline else "-"


def _tally(line):
    told = json.loads(line)
    return Tally(told["seconds"], Flow(**told["a_to_b"]), Flow(**told["b_to_a"]), told["p50_us"], told["p99_us"])
