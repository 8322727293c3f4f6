# SPDX-License-Identifier: Apache-2.0
"""What a run leaves in the system, written down before it is made.

The owner removes it at its end; if the owner was killed, the next run finds the file and removes it then.
"""
import json
import os
import shutil
import signal
import time
from pathlib import Path

from . import command

STATE_FOLDER = Path("/run/sallyport-lab")


def _started_at(pid):
    """Kernel start time of a process: tells a living owner from a reused pid. None when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else int(fields[19])


class Estate:
    """One run's namespaces and folder. Everything the lab makes lies in one of these two."""

    def __init__(self, lab_id):
        self.lab_id = lab_id
        self.folder = STATE_FOLDER / lab_id
        self._ledger = STATE_FOLDER / f"{lab_id}.json"
        self._namespaces = []

    def open(self):
        STATE_FOLDER.mkdir(parents=True, exist_ok=True)
        self._write()
        self.folder.mkdir(mode=0o755, exist_ok=True)

    def is_taken(self):
        """True while another living process owns this name."""
        return self._ledger.exists() and _owner_lives(self._ledger)

    def note_namespace(self, name):
        self._namespaces.append(name)
        self._write()

    def close(self):
        _remove(self._ledger)

    def _write(self):
        text = json.dumps({"pid": os.getpid(), "started_at": _started_at(os.getpid()),
                           "namespaces": self._namespaces, "folder": str(self.folder)})
        fresh = self._ledger.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self._ledger)


def remove_leftovers():
    """Removes what runs whose owner died have left. Returns their names."""
    found = []
    for ledger in sorted(STATE_FOLDER.glob("*.json")):
        if not _owner_lives(ledger):
            _remove(ledger)
            found.append(ledger.stem)
    return found


def _owner_lives(ledger):
    try:
        owner = json.loads(ledger.read_text())
    except (OSError, ValueError):
        return False
    return _started_at(owner["pid"]) == owner["started_at"]


def _remove(ledger):
    try:
        owned = json.loads(ledger.read_text())
    except (OSError, ValueError):
        owned = {"namespaces": [], "folder": str(ledger.with_suffix(""))}
    for name in owned["namespaces"]:
        _end_processes(name)
    for name in owned["namespaces"]:
        command.run("ip", "netns", "delete", name, check=False)
        shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
    shutil.rmtree(owned["folder"], ignore_errors=True)
    ledger.unlink(missing_ok=True)
    for folder in (STATE_FOLDER, Path("/etc/netns")):
        try:
            folder.rmdir()
        except OSError:
            pass  # another run, or somebody else, still has something in it


def _end_processes(namespace, patience_s=3.0):
    """Ends whatever still runs inside a namespace of ours: asks, then insists."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + patience_s
        for pid in _pids(namespace):
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                continue
        while _pids(namespace) and time.monotonic() < deadline:
            time.sleep(0.02)


def _pids(namespace):
    listing = command.run("ip", "netns", "pids", namespace, check=False)
    return [int(word) for word in listing.split() if int(word) != os.getpid()]
