# SPDX-License-Identifier: Apache-2.0
"""A packet capture on one interface, and the search for clear media in it."""
import math
import struct
from collections import Counter
from dataclasses import dataclass

from . import tone
from .process import Process

RUN_BYTES = 24


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram as captured."""
    source: str
    destination: str
    payload: bytes

    @property
    def flow(self):
        return f"{self.source} > {self.destination}"


class Capture:
    """tcpdump on one interface from start() to stop(); read the file only after stop()."""

    def __init__(self, namespace, interface, folder, name, what="udp"):
        self.name = name
        self.path = folder / f"{name}.pcap"
        self._namespace = namespace
        self._interface = interface
        self._what = what
        self._log = folder / f"{name}.log"
        self._process = None

    def start(self):
        self._process = Process(
            self.name, self._namespace,
            ["tcpdump", "-i", self._interface, "-n", "-s", "0", "-B", "8192", "-U",
             "--immediate-mode", "-Z", "root", "-w", self.path, self._what], self._log)
        self._process.wait_for(r"listening on")
        return self

    def stop(self):
        if self._process:
            self._process.stop()

    def datagrams(self):
        return [d for d in map(udp_of, frames_of(self.path)) if d is not None]


def clear_media(datagrams, frequencies_hz):
    """flow -> packets that hold a run of one of the tones as G.711 mu-law, wherever it stands."""
    cycles = [tone.pcmu_cycle(frequency, RUN_BYTES) for frequency in frequencies_hz]
    found = Counter()
    for datagram in datagrams:
        payload = datagram.payload
        if any(payload[at:at + RUN_BYTES] in cycle for cycle in cycles
               for at in _places(len(payload))):
            found[datagram.flow] += 1
    return found


def entropy(datagrams):
    """flow -> (packets, bits of entropy per byte behind the RTP header), flows of media size only.

    A cipher gives nearly 8 bits. A G.711 tone stays below 5.
    """
    histograms, packets = {}, Counter()
    for datagram in datagrams:
        if len(datagram.payload) >= 100:
            # 12 bytes RTP header and, between E and C, 4 bytes multiplexID before it.
            histograms.setdefault(datagram.flow, Counter()).update(datagram.payload[16:])
            packets[datagram.flow] += 1
    return {flow: (packets[flow], _bits(histogram)) for flow, histogram in histograms.items()}


def _places(size):
    """Where a run is looked for: behind each header that may stand before a payload, and further in."""
    return [at for at in (12, 16, 20, 24, 40, 80) if at + RUN_BYTES <= size]


def _bits(histogram):
    total = sum(histogram.values())
    return -sum(n / total * math.log2(n / total) for n in histogram.values())


def frames_of(path):
    data = path.read_bytes()
    if len(data) < 24:
        return
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        _, _, kept, _ = struct.unpack(order + "IIII", data[at:at + 16])
        yield data[at + 16:at + 16 + kept]
        at += 16 + kept


def udp_of(frame):
    kind = frame[12:14]
    if kind == b"\x08\x00" and len(frame) > 34 and frame[23] == 17:
        header = 14 + 4 * (frame[14] & 0x0F)
        source, destination = _dotted(frame[26:30]), _dotted(frame[30:34])
    elif kind == b"\x86\xdd" and len(frame) > 54 and frame[20] == 17:
        header = 54
        source, destination = _colons(frame[22:38]), _colons(frame[38:54])
    else:
        return None
    source_port, destination_port, length = struct.unpack("!HHH", frame[header:header + 6])
    return Datagram(f"{source}:{source_port}", f"{destination}:{destination_port}",
                    frame[header + 8:header + length])


def _dotted(raw):
    return ".".join(map(str, raw))


def _colons(raw):
    return "[" + ":".join(f"{word:x}" for word in struct.unpack("!8H", raw)) + "]"
