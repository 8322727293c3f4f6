# SPDX-License-Identifier: Apache-2.0
"""A long-running program inside a namespace: its log, its end, and waiting for a line it prints."""
import os
import re
import signal
import subprocess
import threading
import time


class ProcessFailed(RuntimeError):
    """A program ended or stayed silent where it should have got ready."""


class Process:
    """Owns one child. Its output goes to `log_path` and can be waited for; one reader thread each."""

    def __init__(self, name, namespace, argv, log_path, env=None, cwd=None):
        self.name = name
        self.log_path = log_path
        self._lines = []
        self._ended = False
        self._news = threading.Condition()
        prefix = namespace.exec_prefix() if namespace else []
        # A session of its own: Ctrl-C reaches the lab only, which then ends things in order.
        self._child = subprocess.Popen(
            prefix + [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, cwd=cwd,
            env={**os.environ, **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self._child.pid

    def is_running(self):
        return self._child.poll() is None

    def exit_code(self):
        return self._child.poll()

    def output(self):
        with self._news:
            return "\n".join(self._lines)

    def mark(self):
        """A place in the output; wait_for(..., since=mark) ignores what came before."""
        with self._news:
            return len(self._lines)

    def wait_for(self, pattern, timeout_s=10.0, since=0):
        """Waits for a line that matches and returns the match object."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout_s
        position = since
        with self._news:
            while True:
                for line in self._lines[position:]:
                    found = wanted.search(line)
                    if found:
                        return found
                position = len(self._lines)
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._ended:
                    raise ProcessFailed(f"{self.name} did not print /{pattern}/ within {timeout_s} s; "
                                        f"see {self.log_path}\n{self.tail()}")
                self._news.wait(left_s)

    def tail(self, count=15):
        return "\n".join(f"    {line}" for line in self._lines[-count:])

    def signal(self, number):
        if self.is_running():
            self._child.send_signal(number)

    def wait(self, timeout_s=10.0):
        """Waits for the end and returns the exit code."""
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProcessFailed(f"{self.name} (pid {self.pid}) still runs after {timeout_s} s") from None

    def stop(self, patience_s=5.0):
        """Ends it: SIGTERM, and SIGKILL when that is not heeded in time. Safe to call twice."""
        if self.is_running():
            self._child.terminate()
            try:
                self._child.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._end_children()
        self._reader.join(2.0)

    def kill(self):
        self.signal(signal.SIGKILL)
        self._child.wait()
        self._end_children()

    def _end_children(self, timeout_s=2.0):
        """What it left in its session, Kamailio's workers say, would hold its ports."""
        deadline = time.monotonic() + timeout_s
        try:
            while time.monotonic() < deadline:
                os.killpg(self.pid, signal.SIGKILL)
                time.sleep(0.01)
        except ProcessLookupError:
            return

    def _read(self):
        with open(self.log_path, "ab") as log:
            for raw in self._child.stdout:
                log.write(raw)
                log.flush()
                with self._news:
                    self._lines.append(raw.decode(errors="replace").rstrip("\r\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()
