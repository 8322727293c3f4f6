# SPDX-License-Identifier: Apache-2.0
"""One DNS question over UDP, asked from inside a namespace; enough to see SRV records."""
import random
import socket
import struct

SRV = 33


def srv(namespace, server, name):
    """[(priority, weight, port, target)] of an SRV record, empty when there is none."""
    number = random.getrandbits(16)
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    packet = struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + question + struct.pack("!HH", SRV, 1)
    with namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(3)
        asker.connect((server, 53))
        asker.send(packet)
        answer = asker.recv(4096)
    count = struct.unpack("!H", answer[6:8])[0]
    at = 12 + len(question) + 4
    found = []
    for _ in range(count):
        _, at = _name(answer, at)
        kind, _, _, size = struct.unpack("!HHIH", answer[at:at + 10])
        at += 10
        if kind == SRV:
            target, _ = _name(answer, at + 6)
            found.append((*struct.unpack("!HHH", answer[at:at + 6]), target))
        at += size
    return found


def _name(packet, at):
    """A name that may be compressed: (text, offset behind it)."""
    labels, behind = [], None
    while packet[at]:
        if packet[at] & 0xC0:
            behind = behind or at + 2
            at = struct.unpack("!H", packet[at:at + 2])[0] & 0x3FFF
            continue
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), behind or at + 1
