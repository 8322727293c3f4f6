# SPDX-License-Identifier: Apache-2.0
"""What systemd is told: units that it accepts, and processes that say when they are ready and alive."""
import shutil
import signal
import socket
from types import SimpleNamespace

from lab import command
from lab.node import TREE
from lab.report import Skip, require

UNITS = ("sallyport-dataplane@.service", "sallyport-controlplane@.service")
WATCHDOG_US = 1_000_000
# systemd's own scale from 0 to 10: above this it speaks of an exposed service.
MOST_EXPOSED = {"sallyport-controlplane@e1.service": 3.0, "sallyport-dataplane@e1.service": 5.5}


def setup(lab):
    lab.start_peers()
    lab.make_nodes()
    return SimpleNamespace(lab=lab, edge=lab.edge)


def _units(stage):
    """Copies of conf/, as instances of e1, that name the programs of this build."""
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed; it comes with the package systemd")
    folder = stage.lab.folder / "units"
    folder.mkdir(exist_ok=True)
    build = stage.lab.build
    for name in UNITS:
        text = (TREE / "conf" / name).read_text()
        for program in ("dataplane/sallyport-dataplane", "controlplane/sallyport-controlplane",
                        "controlplane/sallyport"):
            text = text.replace(f"/usr/bin/{program.split('/')[1]} ", f"{build / program} ")
        (folder / name).write_text(text)
        link = folder / name.replace("@", "@e1")
        link.unlink(missing_ok=True)
        link.symlink_to(folder / name)
    return [folder / name.replace("@", "@e1") for name in UNITS]


def test_systemd_accepts_both_units(stage):
    code, output, complaint = command.attempt("systemd-analyze", "verify", "--man=no", *_units(stage))
    # It looks at every unit of the machine that ours name; only what it says of ours counts.
    ours = [line for line in (output + complaint).splitlines() if "sallyport" in line]
    require(not ours, "\n".join(ours))


def test_the_units_are_hardened(stage):
    for unit in _units(stage):
        code, output, complaint = command.attempt("systemd-analyze", "security", "--offline=true",
                                                  "--no-pager", unit)
        if code != 0 and "offline" in complaint:
            raise Skip(f"this systemd-analyze cannot judge a file: {complaint.strip()}")
        overall = next((line for line in output.splitlines() if "Overall exposure level" in line), "")
        require(overall, f"{unit.name}: no verdict: {complaint or output}")
        level = float(overall.split(":")[1].split()[0])
        require(level <= MOST_EXPOSED[unit.name], f"{unit.name}: exposure {level}")


class Manager:
    """Listens where systemd would: one datagram a message, each with lines NAME=value."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(WATCHDOG_US)}

    def expect(self, wanted, timeout_s=10):
        self._socket.settimeout(timeout_s)
        heard = []
        try:
            while True:
                lines = self._socket.recv(4096).decode().splitlines()
                heard += lines
                if wanted in lines:
                    return
        except socket.timeout:
            raise AssertionError(f"no {wanted} within {timeout_s} s, heard {heard}") from None

    def close(self):
        self._socket.close()


def _manage(stage, part):
    manager = Manager(stage.lab.folder / f"notify-{part}.sock")
    stage.edge.environment = manager.environment
    getattr(stage.edge, f"start_{part}")()
    stage.edge.environment = {}
    return manager, getattr(stage.edge, part)


def test_the_dataplane_reports_ready_alive_and_stopping(stage):
    manager, process = _manage(stage, "dataplane")
    manager.expect("READY=1")
    for _ in range(3):
        manager.expect("WATCHDOG=1", 2 * WATCHDOG_US / 1e6)
    process.signal(signal.SIGTERM)
    manager.expect("STOPPING=1")
    require(process.wait() == 0, f"it ended with {process.exit_code()}")
    manager.close()


def test_the_controlplane_reports_ready_alive_reloading_and_stopping(stage):
    stage.edge.start_dataplane()
    manager, process = _manage(stage, "controlplane")
    manager.expect("READY=1")
    for _ in range(3):
        manager.expect("WATCHDOG=1", 2 * WATCHDOG_US / 1e6)
    process.signal(signal.SIGHUP)
    manager.expect("RELOADING=1")
    manager.expect("READY=1")
    process.signal(signal.SIGTERM)
    manager.expect("STOPPING=1")
    require(process.wait() == 0, f"it ended with {process.exit_code()}")
    manager.close()


def test_a_controlplane_without_its_dataplane_is_ready_and_says_what_is_missing(stage):
    stage.edge.dataplane.stop()
    stage.edge.dataplane = None
    manager, process = _manage(stage, "controlplane")
    manager.expect("READY=1")
    alarms = stage.edge.ask("status")["alarms"]
    require([alarm["kind"] for alarm in alarms] == ["dataplane_absent"], f"alarms: {alarms}")
    require("503" in alarms[0]["text"], f"the alarm says {alarms[0]['text']}")
    process.stop()
    manager.close()
