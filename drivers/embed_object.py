#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a file's bytes as a C++ array: embed_object.py INPUT HEADER."""
import sys

with open(sys.argv[1], "rb") as source:
    data = source.read()
lines = (", ".join(f"0x{byte:02x}" for byte in data[at : at + 24]) for at in range(0, len(data), 24))
with open(sys.argv[2], "w") as header:
    header.write("#pragma once\nalignas(8) inline constexpr unsigned char xdp_relay_object[] = {\n")
    header.write(",\n".join(lines))
    header.write("};\n")
