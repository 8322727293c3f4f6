#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what scripts/test has run: tally.py FOLDER

FOLDER holds `steps` (lines "passed NAME" or "failed NAME"), logs of meson (*.testlog.json) and the
scenarios' counts (scenarios.json). Prints what failed and was skipped by name; the last line is the
total, and the exit code is 1 when anything failed or nothing ran.
"""
import json
import re
import sys
from pathlib import Path

# Only lines about one case carry a duration; those of gtest's closing summary do not.
CASE = re.compile(r"\[ +(OK|FAILED|SKIPPED) +\] (\S+?),?(?: .*)? \(\d+ ms\)\s*$", re.MULTILINE)
STARTED = re.compile(r"\[ RUN +\] (\S+)")
VERDICTS = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


class Tally:
    """passed, failed and skipped, with the names of the latter two."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def add(self, verdict, name, remark=""):
        self.counts[verdict] += 1
        if verdict != "passed":
            mark = "FAIL" if verdict == "failed" else "skip"
            print(f"{mark} {name}" + (f": {remark}" if remark else ""))

    def add_program(self, test):
        """One test program as meson logged it: its gtest cases, else the program as one case.

        A program may fail although its cases passed (a leak found at the end), or end in the middle
        of one (a crash, a timeout); meson's own JUnit file passes such cases over in silence.
        """
        output = test.get("stdout") or ""
        cases = {name: VERDICTS[verdict] for verdict, name in CASE.findall(output)}
        program = test["name"].rpartition("/ ")[2]
        for name, verdict in cases.items():
            self.add(verdict, f"{program} {name}")
        result = test["result"]
        if result in ("OK", "EXPECTEDFAIL"):
            if not cases:
                self.add("passed", program)
        elif result == "SKIP":
            self.add("skipped", program)
        elif "failed" not in cases.values():
            unfinished = [name for name in STARTED.findall(output) if name.rstrip(",") not in cases]
            where = f"in {unfinished[-1]}" if unfinished else "after its last case" if cases else ""
            self.add("failed", program, f"{result}, exit {test.get('returncode')} {where}".rstrip())

    def total(self):
        text = f"{self.counts['passed']} passed, {self.counts['failed']} failed"
        return text + (f", {self.counts['skipped']} skipped" if self.counts["skipped"] else "")


def main(folder):
    tally = Tally()
    for path in sorted(folder.glob("*.testlog.json")):
        for line in path.read_text().splitlines():
            tally.add_program(json.loads(line))
    scenarios = folder / "scenarios.json"
    if scenarios.exists():
        for verdict, count in json.loads(scenarios.read_text()).items():
            tally.counts[verdict] += count
    steps = folder / "steps"
    for line in steps.read_text().splitlines() if steps.exists() else []:
        verdict, _, name = line.partition(" ")
        tally.add(verdict, f"step {name}")
    print(tally.total())
    return 1 if tally.counts["failed"] or not tally.counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
