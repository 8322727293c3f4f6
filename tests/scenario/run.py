#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the scenarios: run.py [--build DIR] [--logs DIR] [--list] [--long] [--beside PID] [NAME...]

Every scenario_NAME.py here has setup(lab) -> stage and functions test_...(stage), run in their
order; each is one case. COUNTS_LOSS = True: PID, a compiler perhaps, rests meanwhile. A scenario gets a lab of its own. NAME picks files, NAME.test one case.
"""
import argparse
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

from lab.lab import TREE, Interrupted, Lab
from lab.report import Report, Skip
from lab.resting import resting

HERE = Path(__file__).resolve().parent


def sentence(function_name):
    return function_name.removeprefix("test_").replace("_", " ")


def cases_of(module):
    return [value for name, value in vars(module).items()
            if name.startswith("test_") and callable(value)]


def is_chosen(scenario, case, wanted):
    return not wanted or scenario in wanted or f"{scenario}.{case.__name__}" in wanted


def open_point(scenario, case):
    """Why a case is not expected to hold yet: its line in open_points.txt; "" when it must pass."""
    for line in (HERE / "open_points.txt").read_text().splitlines():
        name, _, reason = line.partition(": ")
        if name in (scenario, f"{scenario}.{case.__name__}"):
            return reason
    return ""


def run_scenario(scenario, report, options):
    module = importlib.import_module(f"scenario_{scenario}")
    cases = [case for case in cases_of(module) if is_chosen(scenario, case, options.names)]
    if not cases:
        return
    if not options.names and all(open_point(scenario, case) for case in cases):
        for case in cases:
            report.skip(f"{scenario}: {sentence(case.__name__)}", open_point(scenario, case))
        return
    with resting(options.beside if getattr(module, "COUNTS_LOSS", False) else 0):
        run_cases(scenario, module, cases, report, options)


def run_cases(scenario, module, cases, report, options):
    failed_before = len(report.failed)
    logs = Path(options.logs) / scenario
    with Lab(f"t{os.getpid()}", build=options.build, keep_logs=logs, is_long=options.long) as lab:
        try:
            stage = module.setup(lab)
        except Skip as reason:
            for case in cases:
                report.skip(f"{scenario}: {sentence(case.__name__)}", reason)
            return
        except Exception as problem:  # the cases that could not run have failed, all of them
            for case in cases:
                report.fail(f"{scenario}: {sentence(case.__name__)}", f"setup: {problem}")
        else:
            for case in cases:
                reason = "" if options.names else open_point(scenario, case)
                if reason:
                    report.skip(f"{scenario}: {sentence(case.__name__)}", reason)
                    continue
                with report.check(f"{scenario}: {sentence(case.__name__)}", options.verbose) as remarks:
                    remark = case(stage)
                    if remark:
                        remarks.append(str(remark))
    if len(report.failed) > failed_before:
        print(f"     logs of {scenario}: {logs}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=TREE / "build", help="build folder with the nodes")
    parser.add_argument("--logs", help="where logs of each scenario are kept")
    parser.add_argument("--result", help="write the counts to this file as JSON")
    parser.add_argument("--list", action="store_true", help="print the cases and run none")
    parser.add_argument("--long", action="store_true", help="with time for what the everyday run cuts short")
    parser.add_argument("--beside", type=int, default=0, metavar="PID", help="a process tree that rests while packets are counted")
    parser.add_argument("--verbose", action="store_true", help="times and tracebacks")
    parser.add_argument("names", nargs="*", help="scenarios, or scenario.test_function")
    options = parser.parse_args()
    options.logs = options.logs or Path(options.build) / "scenario-logs"
    scenarios = [path.stem.removeprefix("scenario_") for path in sorted(HERE.glob("scenario_*.py"))]
    if options.list:
        for scenario in scenarios:
            for case in cases_of(importlib.import_module(f"scenario_{scenario}")):
                print(f"{scenario}.{case.__name__}")
        return 0
    if os.geteuid() != 0:
        sys.exit("run.py: network namespaces need root; run it through sudo")

    # Some scenarios hold thousands of connections.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    begin = time.monotonic()
    report = Report(say=lambda line: print(line, flush=True))
    try:
        for scenario in scenarios:
            run_scenario(scenario, report, options)
    except Interrupted as signal_name:
        sys.exit(f"run.py: ended by {signal_name}; namespaces and processes are removed")
    print(f"scenarios: {report.summary()} in {time.monotonic() - begin:.0f} s")
    if options.result:
        Path(options.result).write_text(json.dumps(
            {"passed": report.passed, "failed": len(report.failed), "skipped": len(report.skipped)}))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
