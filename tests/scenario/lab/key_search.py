# SPDX-License-Identifier: Apache-2.0
"""Looks for SDES keys where none may be: in the memory of a process, in files."""
import base64
from pathlib import Path

CHUNK_BYTES = 1 << 16


def needles(inline_keys):
    """For each key: its base64 text, the raw master key with salt, and the master key alone.

    The shortest suite has 16 bytes of key, so the first 16 raw bytes stand for any of them.
    """
    found = {}
    for text in inline_keys:
        raw = base64.b64decode(text + "=" * (-len(text) % 4))
        found[text.encode()] = f"text of {text[:6]}…"
        found[raw[:16]] = f"raw bytes of {text[:6]}…"
    return found


def in_memory(pid, wanted):
    """[(needle's description, mapping)] over every readable mapping of a process."""
    hits = []
    overlap = max(map(len, wanted))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            parts = line.split(maxsplit=5)
            label = parts[5] if len(parts) == 6 else "anonymous"
            if "r" not in parts[1] or label in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                continue
            begin, end = (int(word, 16) for word in parts[0].split("-"))
            for piece in _pieces(memory, begin, end, overlap):
                if piece.count(0) == len(piece):
                    continue  # most of a dataplane's memory was never written; counting is quick
                hits += [(what, label) for what in _found(piece, wanted)]
    return sorted(set(hits))


def in_files(paths, wanted):
    """[(needle's description, file)] over files and, below folders, all regular files."""
    hits = []
    for path in map(Path, paths):
        for file in ([path] if path.is_file() else sorted(path.rglob("*"))):
            if file.is_file():
                hits += [(what, str(file)) for what in _found(file.read_bytes(), wanted)]
    return sorted(set(hits))


def _found(data, wanted):
    # One search for each is many times quicker than a pattern with all of them as alternatives.
    return [what for needle, what in wanted.items() if needle in data]


def _pieces(memory, begin, end, overlap):
    """The bytes of one mapping, in pieces that overlap so that nothing hides on a border."""
    at = begin
    while at < end:
        size = min(CHUNK_BYTES, end - at)
        try:
            memory.seek(at)
            piece = memory.read(size)
        except (OSError, ValueError):
            return  # device memory and guard pages cannot be read, by anybody
        if not piece:
            return
        yield piece
        if len(piece) <= overlap:
            return
        at += len(piece) - overlap if at + len(piece) < end else len(piece)
