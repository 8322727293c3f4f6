#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed_page.py OUT FILE...: the files of the administration page as the C++ table that web_file.h declares.

Whatever index.html names stands below a path that changes with its content, so that browsers may keep it for good; scripts import
each other by relative paths, which stay below it.
"""
import hashlib
import sys
from pathlib import Path

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
CHARS_PER_LINE = 100


def literal(content):
    """Of any bytes: octal escapes have three digits at most, and so never run into what follows."""
    printable = {byte: chr(byte) for byte in range(32, 127)} | {34: '\\"', 92: "\\\\", 63: "\\?"}
    parts = [printable.get(byte, f"\\{byte:03o}") for byte in content]
    lines = ["".join(parts[at:at + CHARS_PER_LINE]) for at in range(0, len(parts), CHARS_PER_LINE)]
    return "\n".join(f'    "{line}"' for line in lines) or '    ""'


def main(out, *paths):
    files = {path.name: path.read_bytes() for path in sorted(map(Path, paths))}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    assets = f"/web/{digest.hexdigest()[:16]}"
    rows = []
    for name, content in files.items():
        is_page = name == "index.html"
        content = content.replace(b"ASSETS", assets.encode()) if is_page else content
        path = "/" if is_page else f"{assets}/{name}"
        etag = hashlib.sha256(content).hexdigest()[:32]
        rows.append(f'  {{"{path}", "{TYPES[Path(name).suffix]}", "\\"{etag}\\"", {str(not is_page).lower()}, std::string_view(\n{literal(content)}, {len(content)})}},')
    Path(out).write_text("// Made by controlplane/web/embed_page.py.\n#include \"controlplane/web/web_file.h\"\n\nnamespace sallyport::web {\n\n"
                         "static constexpr WebFile files[] = {\n" + "\n".join(rows) + "\n};\n\n"
                         "std::span<const WebFile> web_files() { return files; }\n\n}  // namespace sallyport::web\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
