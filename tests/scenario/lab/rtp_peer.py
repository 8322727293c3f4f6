# SPDX-License-Identifier: Apache-2.0
"""An RTP endpoint of the scripted phones: sends PCMU tones at their pace and keeps what comes."""
import random
import select
import socket
import struct
import time

from . import srtp, tone

PACKET_SAMPLES = 160
PACKET_S = PACKET_SAMPLES / tone.RATE_HZ


class Reception:
    """What a receiver reports on the source it hears (RFC 3550 6.4.1, A.3). Sequence numbers may not wrap."""

    def __init__(self):
        self.ssrc = None
        self._base = self._highest = self._count = 0
        self._report = None  # (middle 32 bits of the NTP timestamp, when it came) of the last sender report

    def note(self, packet):
        sequence, ssrc = struct.unpack("!H4xI", packet[2:12])
        if ssrc != self.ssrc:
            self.__init__()
            self.ssrc, self._base, self._highest = ssrc, sequence, sequence
        self._highest = max(self._highest, sequence)
        self._count += 1

    def note_report(self, packet):
        if packet[1] == 200:
            self._report = struct.unpack("!10xI", packet[:14])[0], time.monotonic()

    def block(self, distance_s):
        """A report block. A peer that is farther away would have had the report so much shorter."""
        last, held = 0, 0
        if self._report:
            last = self._report[0]
            held = round(max(time.monotonic() - self._report[1] - distance_s, 0) * 65536)
        lost = max(self._highest - self._base + 1 - self._count, 0)
        return struct.pack("!IIIIII", self.ssrc, lost, self._highest, 0, last, held)


class RtpPeer:
    """A port pair (RTP, RTCP) in a namespace. With keys set it speaks SRTP, without them plain RTP."""

    def __init__(self, namespace, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.address = address
        self.rtp, self.rtcp = _bind_pair(namespace, family, address)
        self.port = self.rtp.getsockname()[1]
        self.received = []
        self.received_rtcp = []
        self.rejected = 0
        self.distance_s = 0  # how much farther away it is to seem by its reports
        self._reception = Reception()
        self.keys = None  # (suite, our key, theirs) as SDES carries them
        self._seal = self._open = None
        self._ssrc = random.getrandbits(32)
        self._sequence = random.randrange(1, 0x4000)
        self._timestamp = 0
        self.remote = None

    def set_remote(self, address, port):
        self.remote = (address, port)

    def set_keys(self, suite, own_inline, peer_inline):
        self.keys = (suite, own_inline, peer_inline)
        self._seal = srtp.Session(suite, own_inline)
        self._open = srtp.Session(suite, peer_inline)

    def talk(self, frequency_hz, seconds, payload_type=0):
        """Sends a tone at 50 packets a second and meanwhile takes in what arrives."""
        count = round(seconds / PACKET_S)
        begin = time.monotonic()
        for number in range(count):
            self.send_tone(frequency_hz, payload_type)
            self.take_until(begin + (number + 1) * PACKET_S)

    def send_tone(self, frequency_hz, payload_type=0):
        data = tone.samples(frequency_hz, PACKET_SAMPLES, phase=self._timestamp)
        self.send_payload(bytes(tone.pcmu(v) for v in data), payload_type)

    def send_payload(self, payload, payload_type=0):
        packet = struct.pack("!BBHII", 0x80, payload_type, self._sequence, self._timestamp,
                             self._ssrc) + payload
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + PACKET_SAMPLES) & 0xFFFFFFFF
        self.send_raw(self._seal.protect(packet) if self._seal else packet)

    def send_raw(self, datagram, to_rtcp=False):
        address, port = self.remote
        if to_rtcp:
            self.rtcp.sendto(datagram, (address, port + 1))
        else:
            self.rtp.sendto(datagram, (address, port))

    def send_sender_report(self):
        """With a report block on what is heard, once something is."""
        blocks = self._reception.block(self.distance_s) if self._reception.ssrc is not None else b""
        now = time.time() + 2208988800  # NTP counts from 1900
        report = struct.pack("!BBHIIIIII", 0x80 | len(blocks) // 24, 200, 6 + len(blocks) // 4, self._ssrc,
                             int(now), int(now % 1 * 2 ** 32), self._timestamp,
                             self._sequence, self._sequence * PACKET_SAMPLES) + blocks
        name = b"lab"
        description = struct.pack("!IBB", self._ssrc, 1, len(name)) + name
        description += bytes(4 - len(description) % 4)
        packet = report + struct.pack("!BBH", 0x81, 202, len(description) // 4) + description
        self.send_raw(self._seal.protect_rtcp(packet) if self._seal else packet, to_rtcp=True)

    def listen_until(self, enough, timeout_s):
        """Takes packets until enough(self) holds; False when the time is over first."""
        deadline = time.monotonic() + timeout_s
        self.take_until(0)
        while not enough(self):
            if time.monotonic() >= deadline:
                return False
            self.take_until(min(deadline, time.monotonic() + PACKET_S))
        return True

    def heard(self, frequency_hz):
        """Share of the tone's energy in the received payloads, decoded from PCMU."""
        data = [_LINEAR[byte] for packet in self.received for byte in packet[12:]]
        return tone.energy_share(data, frequency_hz) if data else 0.0

    def sequence_numbers(self):
        return [struct.unpack("!H", packet[2:4])[0] for packet in self.received]

    def exchange_rtp(self, other):
        """Takes the other's RTP socket for its own, and the other this one's; the signalled port stays what it was."""
        self.rtp, other.rtp = other.rtp, self.rtp

    def close(self):
        self.rtp.close()
        self.rtcp.close()

    def take_until(self, deadline):
        """Takes in what arrives until then; a deadline that is over takes what is there."""
        while True:
            left_s = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self.rtp, self.rtcp], [], [], left_s)
            if not ready:
                return
            for source in ready:
                self._take(source)

    def _take(self, source):
        datagram = source.recv(65536)
        is_rtcp = source is self.rtcp
        try:
            if self._open:
                datagram = (self._open.unprotect_rtcp if is_rtcp
                            else self._open.unprotect)(datagram)
        except (ValueError, struct.error):
            self.rejected += 1
            return
        if is_rtcp:
            self._reception.note_report(datagram)
            self.received_rtcp.append(datagram)
        else:
            self._reception.note(datagram)
            self.received.append(datagram)


def converse(one, other, tone_hz, other_hz, seconds):
    """Both ends send their tone at the same time; each then holds what it heard in `received`."""
    for end in (one, other):
        end.listen_until(lambda _: False, 0)
        end.received.clear()
    begin = time.monotonic()
    for number in range(1, round(seconds / PACKET_S) + 1):
        one.send_tone(tone_hz)
        other.send_tone(other_hz)
        one.take_until(begin + number * PACKET_S)
        other.take_until(0)
    count = round(0.8 * seconds / PACKET_S)
    for end in (one, other):
        end.listen_until(lambda e: len(e.received) >= count, 0.3)


def _bind_pair(namespace, family, address):
    """Two neighbouring ports, the lower one even, as RTP and RTCP want them."""
    for _ in range(50):
        port = random.randrange(20000, 30000, 2)
        pair = [namespace.socket(family, socket.SOCK_DGRAM) for _ in range(2)]
        try:
            for offset, end in enumerate(pair):
                end.bind((address, port + offset))
            return pair
        except OSError:
            for end in pair:
                end.close()
    raise OSError(f"no free port pair on {address}")


def _linear(byte):
    """G.711 mu-law back to a 14 bit sample, scaled to 16 bit."""
    byte = ~byte & 0xFF
    exponent, mantissa = byte >> 4 & 7, byte & 0x0F
    value = ((mantissa << 3) + 132 << exponent) - 132
    return -value if byte & 0x80 else value


_LINEAR = [_linear(byte) for byte in range(256)]
