# SPDX-License-Identifier: Apache-2.0
"""SRTP and SRTCP (RFC 3711, 6188, 7714) for the scripted endpoints: plain, one packet at a time.

Written apart from the product's own, so that the two check each other.
"""
import base64
import hashlib
import hmac
import os
import struct
from dataclasses import dataclass

from . import cipher


@dataclass(frozen=True)
class Suite:
    """key and salt in bytes; tag 0 means that the cipher authenticates itself (GCM)."""
    name: str
    key: int
    salt: int
    rtp_tag: int
    rtcp_tag: int

    @property
    def is_aead(self):
        return self.rtp_tag == 0


SUITES = {suite.name: suite for suite in (
    Suite("AEAD_AES_256_GCM", 32, 12, 0, 0),
    Suite("AEAD_AES_128_GCM", 16, 12, 0, 0),
    Suite("AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10),
    Suite("AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10),
    Suite("AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10),
)}


class NotAuthentic(ValueError):
    """The tag does not verify."""


def new_inline(suite_name):
    """A fresh master key and salt as SDES carries them."""
    suite = SUITES[suite_name]
    return base64.b64encode(os.urandom(suite.key + suite.salt)).decode()


class Session:
    """One direction under one master key. Several SSRCs may use it; each has its own rollover count."""

    def __init__(self, suite_name, inline):
        self.suite = SUITES[suite_name]
        master = base64.b64decode(inline.split("|")[0])
        if len(master) != self.suite.key + self.suite.salt:
            raise ValueError(f"{suite_name} wants {self.suite.key + self.suite.salt} bytes of key, "
                             f"got {len(master)}")
        self._master_key = master[:self.suite.key]
        # RFC 7714 12: a salt of 12 bytes is padded at its right end before the derivation.
        self._master_salt = master[self.suite.key:].ljust(14, b"\0")
        self._rtp = self._keys(0)
        self._rtcp = self._keys(3)
        self._newest = {}
        self._rtcp_index = 0

    def protect(self, packet):
        header, payload, ssrc, sequence = _split_rtp(packet)
        rollover = self._rollover(ssrc, sequence)
        sealed = self._seal(self._rtp, ssrc, rollover << 16 | sequence, header, payload)
        if not self.suite.is_aead:
            sealed += self._tag(self._rtp, header + sealed + struct.pack("!I", rollover),
                                self.suite.rtp_tag)
        self._commit(ssrc, sequence, rollover)
        return header + sealed

    def unprotect(self, packet):
        header, body, ssrc, sequence = _split_rtp(packet)
        rollover = self._rollover(ssrc, sequence)
        if not self.suite.is_aead:
            body, tag = body[:-self.suite.rtp_tag], body[-self.suite.rtp_tag:]
            wanted = self._tag(self._rtp, header + body + struct.pack("!I", rollover),
                               self.suite.rtp_tag)
            if not hmac.compare_digest(tag, wanted):
                raise NotAuthentic("SRTP tag")
        plain = self._open(self._rtp, ssrc, rollover << 16 | sequence, header, body)
        self._commit(ssrc, sequence, rollover)
        return header + plain

    def protect_rtcp(self, packet):
        self._rtcp_index += 1
        trailer = struct.pack("!I", 0x80000000 | self._rtcp_index)
        header, payload = packet[:8], packet[8:]
        ssrc = struct.unpack("!I", packet[4:8])[0]
        if self.suite.is_aead:
            sealed = self._seal(self._rtcp, ssrc, self._rtcp_index, header + trailer, payload)
            return header + sealed + trailer
        sealed = header + self._seal(self._rtcp, ssrc, self._rtcp_index, header, payload) + trailer
        return sealed + self._tag(self._rtcp, sealed, self.suite.rtcp_tag)

    def unprotect_rtcp(self, packet):
        if not self.suite.is_aead:
            packet, tag = packet[:-self.suite.rtcp_tag], packet[-self.suite.rtcp_tag:]
            if not hmac.compare_digest(tag, self._tag(self._rtcp, packet, self.suite.rtcp_tag)):
                raise NotAuthentic("SRTCP tag")
        header, body, trailer = packet[:8], packet[8:-4], packet[-4:]
        ssrc = struct.unpack("!I", header[4:8])[0]
        index = struct.unpack("!I", trailer)[0] & 0x7FFFFFFF
        associated = header + trailer if self.suite.is_aead else header
        return header + self._open(self._rtcp, ssrc, index, associated, body)

    def _keys(self, first_label):
        return (self._derive(first_label, self.suite.key), self._derive(first_label + 1, 20),
                self._derive(first_label + 2, self.suite.salt))

    def _derive(self, label, size):
        # RFC 3711 4.3.1 with key derivation rate 0: label at byte 7 of the 14 byte salt.
        x = int.from_bytes(self._master_salt, "big") ^ (label << 48)
        return cipher.ctr(self._master_key, x.to_bytes(14, "big") + b"\0\0", bytes(size))

    def _counter_iv(self, salt, ssrc, index):
        # RFC 3711 4.1.1: (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16)
        value = int.from_bytes(salt, "big") << 16 ^ ssrc << 64 ^ index << 16
        return value.to_bytes(16, "big")

    def _galois_iv(self, salt, ssrc, index):
        # RFC 7714 8.1 and 9.1: the same layout serves both, as the SRTCP index has 31 bits.
        return (int.from_bytes(salt, "big") ^ (ssrc << 48 | index)).to_bytes(12, "big")

    def _seal(self, keys, ssrc, index, associated, plain):
        key, _, salt = keys
        if self.suite.is_aead:
            return cipher.gcm_seal(key, self._galois_iv(salt, ssrc, index), plain, associated)
        return cipher.ctr(key, self._counter_iv(salt, ssrc, index), plain)

    def _open(self, keys, ssrc, index, associated, sealed):
        key, _, salt = keys
        if not self.suite.is_aead:
            return cipher.ctr(key, self._counter_iv(salt, ssrc, index), sealed)
        try:
            return cipher.gcm_open(key, self._galois_iv(salt, ssrc, index), sealed, associated)
        except cipher.CipherFailed:
            raise NotAuthentic("GCM tag") from None

    @staticmethod
    def _tag(keys, data, size):
        return hmac.new(keys[1], data, hashlib.sha1).digest()[:size]

    def _rollover(self, ssrc, sequence):
        """RFC 3711 3.3.1: the rollover count that puts this sequence number nearest to the newest."""
        newest, rollover = self._newest.get(ssrc, (sequence, 0))
        if newest < 0x8000 and sequence - newest > 0x8000:
            return max(rollover - 1, 0)
        if newest >= 0x8000 and newest - sequence > 0x8000:
            return rollover + 1
        return rollover

    def _commit(self, ssrc, sequence, rollover):
        newest, known = self._newest.get(ssrc, (sequence, rollover))
        if rollover << 16 | sequence >= known << 16 | newest:
            self._newest[ssrc] = (sequence, rollover)


def _split_rtp(packet):
    """(header with CSRCs and extension, rest, SSRC, sequence number)"""
    first, _, sequence, _, ssrc = struct.unpack("!BBHII", packet[:12])
    size = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        size += 4 + 4 * struct.unpack("!H", packet[size + 2:size + 4])[0]
    return packet[:size], packet[size:], ssrc, sequence
