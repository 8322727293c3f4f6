# SPDX-License-Identifier: Apache-2.0
"""Holds a process and all its children still for a while, so that what is measured meanwhile has the machine."""
import os
import signal
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def resting(pid):
    """pid 0: nobody. Whatever of the tree runs at first rests until the end, and so does what a resting parent would start."""
    stopped = []
    try:
        found = [pid] if pid else []
        while found:
            each = found.pop()
            if _signal(each, signal.SIGSTOP):
                stopped.append(each)
                found += _children(each)
        yield
    finally:
        for each in stopped:
            _signal(each, signal.SIGCONT)


def _signal(pid, number):
    try:
        os.kill(pid, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False


def _children(pid):
    try:
        return [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()]
    except OSError:
        return []
