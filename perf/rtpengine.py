# SPDX-License-Identifier: Apache-2.0
"""rtpengine as a peer: its process, its ng protocol (bencoded dictionaries over UDP), and calls whose two parties have keys and suites of
their own, so that it has to open and seal every packet."""
import base64
import os
import re
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "scenario"))

from lab.process import Process  # noqa: E402

NG = ("127.0.0.1", 22222)
CALLER_SUITE, CALLEE_SUITE = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
KEY_BYTES = 30


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, int):
        return b"i%de" % value
    raw = value.encode()
    return b"%d:%s" % (len(raw), raw)


def bdecode(raw, at=0):
    """The value at `at` and the place behind it."""
    kind = raw[at:at + 1]
    if kind == b"i":
        end = raw.index(b"e", at)
        return int(raw[at + 1:end]), end + 1
    if kind in (b"d", b"l"):
        items, at = [], at + 1
        while raw[at:at + 1] != b"e":
            item, at = bdecode(raw, at)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if kind == b"d" else items), at + 1
    colon = raw.index(b":", at)
    end = colon + 1 + int(raw[at:colon])
    return raw[colon + 1:end].decode(), end


def sdp(ip, port, suite, key, tag=1):
    return "\r\n".join(["v=0", f"o=- 1 1 IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0", f"m=audio {port} RTP/SAVP 0",
                        f"a=crypto:{tag} {suite} inline:{base64.b64encode(key).decode()}", "a=sendrecv", ""])


def audio_port(text):
    return int(re.search(r"^m=audio (\d+)", text, re.M).group(1))


def crypto_of(text, suite):
    """Tag and key of an a=crypto line (RFC 4568)."""
    found = re.search(rf"^a=crypto:(\d+) {suite} inline:([A-Za-z0-9+/=]+)", text, re.M)
    if not found:
        raise RuntimeError(f"rtpengine offers no {suite}:\n{text}")
    return int(found.group(1)), base64.b64decode(found.group(2))


class Rtpengine:
    """One worker thread on `core`, in a namespace, without its kernel module."""

    def __init__(self, space, ip, core, folder):
        self._space, self._ip = space, ip
        self._process = Process("rtpengine", space, [
            "taskset", "-c", str(core), "rtpengine", "--config-file=none", "--foreground", "--log-stderr", "--log-level=4", "--table=-1",
            f"--interface={ip}", f"--listen-ng={NG[0]}:{NG[1]}", "--num-threads=1", "--port-min=30000", "--port-max=50000",
            "--timeout=3600", "--silent-timeout=3600"], folder / "rtpengine.log")
        self._socket = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.5)
        deadline = time.monotonic() + 15
        while True:
            try:
                if self._ask({"command": "ping"})["result"] == "pong":
                    return
            except OSError:
                if time.monotonic() > deadline or not self._process.is_running():
                    raise RuntimeError(f"rtpengine does not answer:\n{self._process.tail()}") from None
                time.sleep(0.1)

    @property
    def pid(self):
        """Of the program itself: ip and taskset become it."""
        return self._process.pid

    def _ask(self, request):
        cookie = os.urandom(6).hex().encode()
        self._socket.sendto(cookie + b" " + bencode(request), NG)
        while True:
            answer = self._socket.recv(65536)
            if answer.startswith(cookie + b" "):
                return bdecode(answer[len(cookie) + 1:])[0]

    def call(self, number, caller_port, callee_port, peer_ip):
        """Sets up one call. Returns the port the caller sends to, its key, and the key that the callee hears rtpengine with."""
        names = {"call-id": f"bench-{number}", "from-tag": f"a{number}"}
        caller_key, callee_key = os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)
        both = {"ICE": "remove", "DTLS": "off", "transport-protocol": "RTP/SAVP"}
        offered = self._sdp({"command": "offer", **names, **both, "sdp": sdp(peer_ip, caller_port, CALLER_SUITE, caller_key)})
        tag, heard = crypto_of(offered, CALLEE_SUITE)
        if heard == caller_key:
            raise RuntimeError("rtpengine passes the caller's key on: it would not re-encrypt")
        answered = self._sdp({"command": "answer", **names, **both, "to-tag": f"b{number}", "sdp": sdp(peer_ip, callee_port, CALLEE_SUITE, callee_key, tag)})
        return audio_port(answered), caller_key, heard

    def _sdp(self, request):
        answer = self._ask(request)
        if answer["result"] != "ok":
            raise RuntimeError(f"rtpengine refused the {request['command']}: {answer}")
        return answer["sdp"]

    def tail(self):
        return self._process.tail()

    def stop(self):
        self._socket.close()
        self._process.stop()
