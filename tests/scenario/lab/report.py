# SPDX-License-Identifier: Apache-2.0
"""What was checked: one line each as it happens, counted at the end."""
import time
import traceback
from contextlib import contextmanager


class Skip(Exception):
    """A capability that the check needs is missing on this machine; the text names it."""


def require(condition, why):
    """The one assertion of the scenarios: fails the current check with a reason a person can use."""
    if not condition:
        raise AssertionError(why)


class Report:
    """Collects checks. Printing goes through `say`, so that a caller may be silent."""

    def __init__(self, say=print):
        self.passed = 0
        self.failed = []
        self.skipped = []
        self._say = say

    def ok(self, name, remark=""):
        self.passed += 1
        self._say(f"ok   {name}" + (f": {remark}" if remark else ""))

    def fail(self, name, why):
        self.failed.append((name, why))
        self._say(f"FAIL {name}: {why}")

    def skip(self, name, why):
        self.skipped.append((name, why))
        self._say(f"skip {name}: {why}")

    @contextmanager
    def check(self, name, verbose=False):
        """Passes when its block ends, fails when it raises; the caller goes on either way.

        The block may append remarks to what it is given, they are printed behind the name.
        """
        remarks = []
        begin = time.monotonic()
        try:
            yield remarks
        except Skip as reason:
            self.skip(name, reason)
        except Exception as problem:  # a broken check must not hide the ones after it
            self.fail(name, _in_words(problem))
            if verbose:
                self._say(traceback.format_exc())
        else:
            if verbose:
                remarks.append(f"{time.monotonic() - begin:.1f} s")
            self.ok(name, ", ".join(remarks))

    def summary(self):
        """`N passed, N failed`, and the skipped ones when there are some."""
        text = f"{self.passed} passed, {len(self.failed)} failed"
        return text + (f", {len(self.skipped)} skipped" if self.skipped else "")


def _in_words(problem):
    text = str(problem).strip()
    if isinstance(problem, (AssertionError, RuntimeError)) and text:
        return text
    return f"{type(problem).__name__}: {text}"
