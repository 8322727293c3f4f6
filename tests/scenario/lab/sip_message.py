# SPDX-License-Identifier: Apache-2.0
"""A SIP message as a scripted peer sees it: start line, headers in order, body. No folding, no repair."""
import re
import uuid

_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
            "c": "content-type", "k": "supported", "s": "subject", "o": "event", "r": "refer-to"}


class SipMessage:
    """Built by the scripts or read from a connection. Header names compare without case."""

    def __init__(self, start_line, headers=(), body=""):
        self.start_line = start_line
        self.headers = list(headers)
        self.body = body

    @property
    def is_request(self):
        return not self.start_line.startswith("SIP/2.0 ")

    @property
    def method(self):
        """Of a request its own, of a response the one it answers."""
        return self.start_line.split(" ")[0] if self.is_request else self.get("CSeq").split()[1]

    @property
    def uri(self):
        return self.start_line.split(" ")[1]

    @property
    def status(self):
        return 0 if self.is_request else int(self.start_line.split(" ")[1])

    def get(self, name, default=""):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self.headers if _canonical(key) == name.lower()]

    def add(self, name, value):
        self.headers.append((name, str(value)))
        return self

    def tag(self, name):
        """The tag of From or To, empty when there is none."""
        found = re.search(r";\s*tag=([^;>\s]+)", self.get(name))
        return found.group(1) if found else ""

    def contact_uri(self):
        return uri_of(self.get("Contact"))

    def encode(self):
        body = self.body.encode()
        lines = [self.start_line]
        lines += [f"{name}: {value}" for name, value in self.headers
                  if name.lower() != "content-length"]
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    @classmethod
    def parse(cls, head, body=b""):
        lines = head.decode("utf-8", "replace").split("\r\n")
        headers = [(name.strip(), value.strip())
                   for name, _, value in (line.partition(":") for line in lines[1:] if line)]
        return cls(lines[0], headers, body.decode("utf-8", "replace"))

    def __str__(self):
        return self.encode().decode("utf-8", "replace").replace("\r\n", "\n")


def _canonical(name):
    lowered = name.lower()
    return _COMPACT.get(lowered, lowered)


def uri_of(header):
    """The URI within <...> of a name-addr, else the bare address."""
    found = re.search(r"<([^>]*)>", header)
    return found.group(1) if found else header.split(";")[0].strip()


def split_list(values):
    """Header values that carry comma separated name-addrs (Route, Path), one entry each, in order."""
    return [entry.strip() for value in values
            for entry in re.findall(r'(?:[^,"<]|"[^"]*"|<[^>]*>)+', value)]


def new_branch():
    return "z9hG4bK" + uuid.uuid4().hex[:16]


def new_tag():
    return uuid.uuid4().hex[:10]


def read_from(buffer):
    """Takes one whole message off a byte buffer: (message or None, rest).

    Bare CRLFs between messages are keep-alives (RFC 5626 3.5.1) and are dropped.
    """
    buffer = buffer.lstrip(b"\r\n")
    head, separator, rest = buffer.partition(b"\r\n\r\n")
    if not separator:
        return None, buffer
    message = SipMessage.parse(head)
    size = int(message.get("Content-Length", "0") or 0)
    if len(rest) < size:
        return None, buffer
    message.body = rest[:size].decode("utf-8", "replace")
    return message, rest[size:]
