#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gives one command to a phone of the running demo: phone_command.py PORT < text such as "/dial URI"."""
import socket
import sys

from lab.control_link import ControlLink

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 3)
command, _, parameters = sys.stdin.readline().strip().lstrip("/").partition(" ")
print(ControlLink(connection, f"phone at {sys.argv[1]}").ask(command, parameters))
