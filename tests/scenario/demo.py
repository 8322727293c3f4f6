#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demonstration behind scripts/demo: demo.py [--check] [--build DIR]"""
import argparse
import os
import signal
import sys
import time
from pathlib import Path

import demo_checks
import demo_page
from demo_calls import DemoCalls
from lab import command
from lab.lab import TREE, Interrupted, Lab
from lab.report import Report

CHECK_LONG_CALL_S = 30
SHOW_LONG_CALL_S = 8


class Demo:
    """One run: lays out, starts, calls, checks. Steps that the rest stands on end it when they fail."""

    def __init__(self, lab, report, long_call_s):
        self.lab = lab
        self.report = report
        self.long_call_s = long_call_s
        self.records = []

    def run(self):
        demo_page.print_heading("Start")
        if self._start():
            demo_page.print_heading("Calls")
            self._place_calls()
            demo_page.print_heading("What must hold around them")
            self._check_around()

    def _start(self):
        steps = (("peers start: DNS, Kamailio", self.lab.start_peers),
                 ("captures run on the DMZ links", self._start_captures),
                 ("E and C start, the traversal zone is active", self._start_nodes),
                 ("phone A registers through E and C by TLS", self._start_phone_a),
                 ("phone B registers at Kamailio", self._start_phone_b))
        for name, step in steps:
            failed_before = len(self.report.failed)
            with self.report.check(name):
                step()
            if len(self.report.failed) > failed_before:
                return False
        return True

    def _start_captures(self):
        # E's two faces as the neighbours see them, and phone B's side as the control of the search.
        self.watched = [self.lab.capture("firewall", "dmz", "dmz-link"),
                        self.lab.capture("internet", "to-edge", "outside-link")]
        self.control = self.lab.capture("desk", "eth0", "inside-link")

    def _start_nodes(self):
        try:
            self.lab.start_nodes(hugepages="auto", profile="xdp")
        finally:
            demo_page.print_nodes(self.lab)

    def _start_phone_a(self):
        self.phone_a = self.lab.home_phone("a")
        self.phone_a.start()

    def _start_phone_b(self):
        self.phone_b = self.lab.desk_phone("b")
        self.phone_b.start()

    def _place_calls(self):
        calls = DemoCalls(self.lab, self.phone_a, self.phone_b, self.report, self.long_call_s)
        calls.while_up = self._check_keys
        calls.place_all()
        self.records = calls.records

    def _check_keys(self):
        self._check("E's dataplane, region, store and logs hold no media key",
                    demo_checks.keys_stay_away_from_edge, self.lab, self.phone_a)

    def _check_around(self):
        lab = self.lab
        self._check("A found E by DNS (SRV)", demo_checks.found_by_dns, lab)
        self._check("Kamailio asked A for a digest and took it", demo_checks.authenticated_by_digest,
                    self.phone_a)
        self._check("Kamailio reaches A through C and E (Path)", demo_checks.registered_through_both, lab)
        self._check("A's media is SRTP with keys from SDES", demo_checks.phone_speaks_srtp, self.phone_a)
        self._check("the traversal zone is still active", demo_checks.traversal_is_up, lab)
        self._check("E tried nothing towards C", demo_checks.firewall_is_quiet, lab)
        for each in (*self.watched, self.control):
            each.stop()
        self._check("no RTP payload passed the DMZ in clear", demo_checks.nothing_in_clear,
                    self.watched, self.control)
        self._check("the summary shows both legs of every call",
                    demo_checks.summaries_are_complete, self.records)

    def _check(self, name, function, *arguments):
        with self.report.check(name) as remarks:
            remark = function(*arguments)
            if remark:
                remarks.append(remark)


def stay_until_ended():
    """Ctrl-C is how a demonstration ends; here it is no failure."""
    try:
        while True:
            signal.pause()
    except Interrupted:
        print("\ntaking everything down", flush=True)


def nothing_is_left(lab):
    """Namespaces, folder and processes of this run are gone."""
    names = [space.name for space in lab.spaces.all()]
    listed = command.run("ip", "netns", "list")
    left = [name for name in names if name in listed.split()]
    left += [str(path) for path in (lab.folder, *(Path("/etc/netns") / n for n in names)) if path.exists()]
    if left:
        raise AssertionError(f"left behind: {', '.join(left)}")


def parse_arguments():
    parser = argparse.ArgumentParser(description="Phones outside and inside call each other through E and C.")
    parser.add_argument("--check", action="store_true", help="verify everything, end, say what failed")
    parser.add_argument("--build", default=TREE / "build", type=Path, help="build folder with the nodes")
    return parser.parse_args()


def main():
    options = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("demo: network namespaces need root; run scripts/demo, or this through sudo")
    begin = time.monotonic()
    interrupted = False
    report = Report(say=lambda line: print(line, flush=True))
    lab = Lab("demo", build=options.build.resolve(), keep_logs=options.build.resolve() / "demo-logs")
    try:
        with lab:
            demo_page.print_picture()
            demo_page.print_machine()
            for name in lab.leftovers:
                print(f"removed what the killed run {name} had left")
            demo = Demo(lab, report, CHECK_LONG_CALL_S if options.check else SHOW_LONG_CALL_S)
            demo.run()
            demo_page.print_heading("Each call as the two nodes saw it")
            demo_page.print_calls(demo.records)
            if not options.check:
                demo_page.print_by_hand(lab)
                stay_until_ended()
    except Interrupted as signal_name:
        interrupted = True
        print(f"\nended early by {signal_name}; what was made is taken down")
    with report.check("everything is removed"):
        nothing_is_left(lab)
    print(f"\n{report.summary()} in {time.monotonic() - begin:.0f} s" + (", not all was tried" if interrupted else ""))
    if report.failed:
        print(f"failed: {'; '.join(name for name, _ in report.failed)}")
        print(f"logs: {options.build / 'demo-logs'}")
    return 1 if report.failed or interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
