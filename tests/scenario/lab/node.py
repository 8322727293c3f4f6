# SPDX-License-Identifier: Apache-2.0
"""One Sallyport node: its two processes in a namespace, its files, and the operator's command for it."""
import json
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from . import command, firewall
from .process import Process, ProcessFailed

TREE = Path(__file__).resolve().parents[3]


class NodeFailed(RuntimeError):
    """A node did not get where it should; the text holds the end of its logs."""


class Node:
    """role is "E" or "C". Starts, stops and hurts the processes; asks through `sallyport --socket`."""

    def __init__(self, role, namespace, folder, build, config_text, site_text="", number=0):
        self.role = role
        self.namespace = namespace
        self.folder = Path(folder) / f"node-{role.lower()}{number}"
        self.config_path = self.folder / "node.toml"
        self.site_path = self.folder / "site.toml"
        self.socket_path = self.folder / "run" / "api.sock"
        self.dataplane = None
        self.controlplane = None
        self.environment = {}  # of processes that are started from now on
        self._build = Path(build)
        for part in ("run", "log", "store"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.write_config(config_text)
        self.site_path.write_text(site_text)

    @property
    def program(self):
        """The operator's command of this build."""
        return self._build / "controlplane" / "sallyport"

    def write_config(self, text):
        self.config_path.write_text(text.replace("@NODE@", str(self.folder)))

    def guard_relay_ports(self):
        firewall.load(self.namespace, firewall.NODE_RELAY_PORTS)

    def counter(self, name, **labels):
        """The sum of a counter over the label values that are not given."""
        return sum(entry["value"] for entry in self.ask("counters") if entry["name"] == name
                   and labels.items() <= entry["labels"].items())

    def drops(self):
        """Packets dropped so far by reason."""
        counted = {}
        for entry in self.ask("counters"):
            if entry["name"] == "sallyport_dataplane_drops_total":
                reason = entry["labels"]["reason"]
                counted[reason] = counted.get(reason, 0) + entry["value"]
        return counted

    @contextmanager
    def counting(self, name, least=1, timeout_s=5.0, **labels):
        """Around something that this counter must count; fails when it did not grow by `least`."""
        before = self.counter(name, **labels)
        yield
        deadline = time.monotonic() + timeout_s
        while (grown := self.counter(name, **labels) - before) < least:
            if time.monotonic() >= deadline:
                raise AssertionError(f"{self.role} counted {grown:.0f} of {least} in {name} {labels or ''}")
            time.sleep(0.05)

    def start(self):
        """Both processes, the site applied; returns when the node answers."""
        self.start_dataplane()
        self.serve()

    def serve(self):
        """What start() does once the dataplane runs."""
        self.start_controlplane()
        self.wait_ready()
        if self.site_path.read_text():
            self.sallyport("apply", "--yes", self.site_path)

    def start_dataplane(self):
        self.dataplane = self._launch("dataplane", "sallyport-dataplane")

    def start_controlplane(self):
        self.controlplane = self._launch("controlplane", "sallyport-controlplane")

    def wait_ready(self, timeout_s=15.0):
        """Asks for the status until it comes; a process that ends meanwhile fails at once."""
        self.wait_answer(lambda status: True, "an answer", timeout_s)

    def wait_answer(self, holds, what, timeout_s=15.0, words=("status",)):
        """Asks `sallyport WORDS --json` until holds(answer) is true and returns that answer."""
        deadline = time.monotonic() + timeout_s
        last = "no answer"
        while time.monotonic() < deadline:
            self._must_run()
            try:
                answer = self.ask(*words)
                if holds(answer):
                    return answer
                last = json.dumps(answer)[:400]
            except (command.CommandFailed, ValueError) as problem:
                last = str(problem)
            time.sleep(0.05)
        raise NodeFailed(f"{self.role} did not reach {what} within {timeout_s} s: {last}")

    def sallyport(self, *words, check=True):
        """Runs the operator's command and returns its text."""
        return command.run(self.program, "--socket", self.socket_path, *words, check=check)

    def try_sallyport(self, *words, stdin=None):
        """Runs it and returns (exit code, standard output, standard error)."""
        return command.attempt(self.program, "--socket", self.socket_path, *words, stdin=stdin)

    def ask(self, *words):
        """Runs it with --json and returns the parsed answer."""
        return json.loads(self.sallyport(*words, "--json"))

    def reload(self):
        self.controlplane.signal(signal.SIGHUP)

    def kill_controlplane(self):
        """SIGKILL; from then on its absence is no surprise to wait_answer()."""
        self.controlplane.kill()
        self.controlplane = None

    def kill_dataplane(self):
        self.dataplane.kill()
        self.dataplane = None

    def stop(self, patience_s=5.0):
        for process in (self.controlplane, self.dataplane):
            if process:
                process.stop(patience_s)

    def logs(self):
        return "\n".join(p.output() for p in (self.dataplane, self.controlplane) if p)

    def tail(self):
        return "\n".join(f"  {p.name}:\n{p.tail()}" for p in (self.dataplane, self.controlplane) if p)

    def paths_with_state(self):
        """Everything this node writes: store, run directory, logs. Not its own TLS keys."""
        return [self.folder / part for part in ("run", "log", "store")]

    def _launch(self, part, binary):
        path = self._build / part / binary
        if not path.exists():
            raise NodeFailed(f"{path} is not built; run: ninja -C {self._build}")
        return Process(f"{self.role} {part}", self.namespace, [path, "--config", self.config_path],
                       self.folder / "log" / f"{part}.log", env=self.environment, cwd=self.folder)

    def _must_run(self):
        for process in (self.dataplane, self.controlplane):
            if process and not process.is_running():
                raise ProcessFailed(f"{process.name} ended with {process.exit_code()}:\n{process.tail()}")
