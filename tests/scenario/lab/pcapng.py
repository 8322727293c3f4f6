# SPDX-License-Identifier: Apache-2.0
"""Reads a pcapng file as `sallyport capture` writes it."""
import struct
from dataclasses import dataclass

from . import capture

INTERFACE, PACKET = 1, 6
OPTION_NAME, OPTION_FLAGS, OPTION_DESCRIPTION = 2, 2, 3
MULTIPLEX_BYTES = 4


@dataclass(frozen=True)
class Frame:
    """One packet: on which leg, which way, when, and how much of it was kept."""
    leg: str
    inbound: bool
    unix_ns: int
    wire_bytes: int
    frame: bytes
    has_multiplex_id: bool

    @property
    def is_whole(self):
        return len(self.frame) == self.wire_bytes

    @property
    def datagram(self):
        return capture.udp_of(self.frame)

    @property
    def payload(self):
        """Of UDP; without the multiplexID where there is one."""
        return self.datagram.payload[MULTIPLEX_BYTES if self.has_multiplex_id else 0:]

    @property
    def sequence(self):
        """Of RTP; None: it is RTCP."""
        first, kind, number = struct.unpack("!BBH", self.payload[:4])
        return number if first >> 6 == 2 and not 192 <= kind <= 223 else None


def frames(path):
    """All packets of the file; a block that is not all there yet ends it."""
    found, legs = [], []
    for kind, body in _blocks(path.read_bytes()):
        if kind == INTERFACE:
            options = _options(body[8:])
            name = options[OPTION_NAME].decode()
            legs.append((name, name == "traversal" and b"DECRYPTED" not in options[OPTION_DESCRIPTION]))
        elif kind == PACKET:
            interface, high, low, kept, wire = struct.unpack("<IIIII", body[:20])
            options = _options(body[20 + (kept + 3) // 4 * 4:])
            leg, has_multiplex_id = legs[interface]
            found.append(Frame(leg, struct.unpack("<I", options[OPTION_FLAGS])[0] & 3 == 1,
                               high << 32 | low, wire, body[20:20 + kept], has_multiplex_id))
    return found


def _blocks(data):
    at = 0
    while at + 12 <= len(data):
        kind, length = struct.unpack("<II", data[at:at + 8])
        if at + length > len(data):
            return
        yield kind, data[at + 8:at + length - 4]
        at += length


def _options(data):
    options, at = {}, 0
    while at + 4 <= len(data):
        code, length = struct.unpack("<HH", data[at:at + 4])
        options[code] = data[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return options
