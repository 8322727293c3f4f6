# SPDX-License-Identifier: Apache-2.0
"""Session descriptions of the scripted peers: written as lines, read as streams."""
import itertools
import re
from dataclasses import dataclass, field

_versions = itertools.count(1)


@dataclass
class Stream:
    """One m= section as read."""
    kind: str
    port: int
    profile: str
    address: str
    lines: list = field(default_factory=list)

    def attributes(self, name):
        return [line[2:].partition(":")[2] for line in self.lines
                if line == f"a={name}" or line.startswith(f"a={name}:")]

    def has(self, name):
        return any(line == f"a={name}" or line.startswith(f"a={name}:") for line in self.lines)

    @property
    def direction(self):
        return next((line[2:] for line in self.lines
                     if line in ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")), "sendrecv")

    @property
    def cryptos(self):
        """(tag, suite, inline key) of each a=crypto line, in order."""
        return [(int(tag), suite, key) for tag, suite, key in
                (re.match(r"(\d+) (\S+) inline:(\S+)", value).groups()
                 for value in self.attributes("crypto"))]

    @property
    def rtcp_port(self):
        explicit = self.attributes("rtcp")
        return int(explicit[0].split()[0]) if explicit else self.port + 1


def stream_lines(kind, port, cryptos=(), direction="sendrecv", formats=("0",), extra=()):
    """The lines of one stream. cryptos are (tag, suite, inline key); none makes it RTP/AVP."""
    profile = "RTP/SAVP" if cryptos else "RTP/AVP"
    lines = [f"m={kind} {port} {profile} {' '.join(formats)}"]
    lines += [f"a=crypto:{tag} {suite} inline:{key}" for tag, suite, key in cryptos]
    return [*lines, f"a={direction}", *extra]


def describe(address, *streams, session_lines=()):
    """A whole description from stream_lines() results."""
    family = "IP6" if ":" in address else "IP4"
    lines = ["v=0", f"o=lab 4711 {next(_versions)} IN {family} {address}", "s=-",
             f"c=IN {family} {address}", "t=0 0", *session_lines]
    return "\r\n".join(lines + [line for stream in streams for line in stream]) + "\r\n"


def streams_of(text):
    """The streams of a description; a stream without c= inherits the session's address."""
    found, session_address = [], ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            kind, port, profile = line[2:].split()[:3]
            found.append(Stream(kind, int(port.split("/")[0]), profile, session_address))
        elif line.startswith("c="):
            address = line.split()[2].split("/")[0]
            if found:
                found[-1].address = address
            else:
                session_address = address
        if found and line:
            found[-1].lines.append(line)
    return found
