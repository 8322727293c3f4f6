# SPDX-License-Identifier: Apache-2.0
"""What the two nodes are configured with."""


def edge(wallet):
    return "", ""


def core(wallet):
    return "", ""


def is_traversal_active(status):
    return True
