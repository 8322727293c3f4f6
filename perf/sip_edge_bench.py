#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sip_edge_bench.py [--quick] [--only PREFIX]: E as a process beside Kamailio as the same TLS edge proxy, in the same run.

Both stand on loopback addresses of a network namespace of their own, each between phones on persistent TLS connections (sip_clients)
and a far end that answers over TLS (sip_far_end). Rounds alternate between the two, and the median round is reported.
Kamailio has as many workers as the machine has cores, at least two; E is one thread. What ends in /peer_one_worker is the same beside
a Kamailio of one worker: the least CPU time it can do with, since no worker then passes a connection to another, but one slow peer
holds up all.
  sip/edge_register/N        REGISTER and its 200 through the edge, per second of the edge's CPU time, N connections
  sip/edge_dialog            INVITE 180 200 ACK BYE 200 without SDP, so that both sides have the same work
  sip/edge_dialog_media      the same with SDP, 400 a second: E anchors the media (ports, four flows), Kamailio only passes the SDP on.
                             Not as fast as it goes: a relay port rests for ten seconds after a call
  sip/edge_register_p99      microseconds from when a REGISTER was due to its 200, at 2,000 a second over 2,000 connections
  sip/edge_idle_client       memory for each registered, idle client
Wants root (a namespace), Kamailio, and the build folder in SALLYPORT_BUILD.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEER = "Kamailio 5.6"
ONE_WORKER = "/peer_one_worker"
IN_NAMESPACE = "SALLYPORT_BENCH_NAMESPACE"


class Clients:
    """A sip_clients process at one edge."""

    def __init__(self, build, edge, count):
        self.edge = edge
        self._child = subprocess.Popen([build / "perf" / "sip_clients", edge.ip, "5061", str(count)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._expect("ready")

    def run(self, work, seconds, rate=0):
        pids = ",".join(map(str, self.edge.pids()))
        self._child.stdin.write(f"{work} 300 {int(seconds * 1000)} {rate} {pids}\n")
        self._child.stdin.flush()
        return json.loads(self._expect("{"))

    def stop(self):
        self._child.kill()
        self._child.wait()

    def _expect(self, start):
        line = self._child.stdout.readline()
        if not line.startswith(start):
            raise RuntimeError(f"sip_clients at {type(self.edge).__name__} ended: {line!r}\n{self.edge.tail()}")
        return line


class Bench:
    def __init__(self, options, build, folder):
        from sip_edge_nodes import KamailioEdge, SallyportEdge, Wallet, allow_many_files, resident_bytes
        allow_many_files()
        self._resident_bytes = resident_bytes
        self._only = options.only
        self._rounds, self._seconds = (7, 0.7) if options.quick else (15, 1.5)
        self._build = build
        wallet = Wallet(folder / "certificates")
        self._peer = None
        self._start_peer = lambda workers: KamailioEdge(folder / f"kamailio{workers}", build, wallet, workers)
        self._ours = SallyportEdge(folder / "edge", build, wallet)

    def stop(self):
        for edge in (self._ours, self._peer):
            if edge:
                edge.stop()

    def run(self):
        for workers, suffix in ((max(2, os.cpu_count()), ""), (1, ONE_WORKER)):
            self._suffix, self._peer_name = suffix, f"{PEER}, {workers} worker{'s' * (workers > 1)}"
            many = any(map(self._wants, ("sip/edge_idle_client", "sip/edge_register/2000", "sip/edge_register_p99")))
            few = any(map(self._wants, ("sip/edge_register/100", "sip/edge_dialog", "sip/edge_dialog_media")))
            if not many and not few:
                continue
            self._peer = self._start_peer(workers)
            if many:
                self._with_many()
            if few:
                self._with_few()
            self._peer.stop()
            self._peer = None

    def _wants(self, name):
        if self._suffix and name not in ("sip/edge_register/2000", "sip/edge_register/100", "sip/edge_dialog"):
            return False
        name += self._suffix
        return name.startswith(self._only) or self._only.startswith(name)

    def _with_many(self):
        warm = self._clients(100)  # what a first client costs is not what each costs
        before = [self._resident_bytes(clients.edge.pids()) for clients in warm]
        many = self._clients(2000)
        grown = [(self._resident_bytes(clients.edge.pids()) - start) / 2000 for clients, start in zip(many, before)]
        self._stop(warm)
        if self._wants("sip/edge_idle_client"):
            self._report("sip/edge_idle_client", "B/client", "lower", *grown)
        self._throughput("sip/edge_register/2000", many, "register", "REGISTER/CPU-s")
        if self._wants("sip/edge_register_p99"):
            self._report("sip/edge_register_p99", "µs", "lower",
                         *self._rounds_of(many, "register", 2000, lambda result: result["p99_us"]))
        self._stop(many)

    def _with_few(self):
        few = self._clients(100)
        self._throughput("sip/edge_register/100", few, "register", "REGISTER/CPU-s")
        self._throughput("sip/edge_dialog", few, "call", "dialogs/CPU-s")
        self._throughput("sip/edge_dialog_media", few, "call_media", "dialogs/CPU-s", 400)
        self._stop(few)

    def _clients(self, count):
        return [Clients(self._build, edge, count) for edge in (self._ours, self._peer)]

    @staticmethod
    def _stop(clients):
        for one in clients:
            one.stop()

    def _throughput(self, name, clients, work, unit, rate=0):
        if self._wants(name):
            self._report(name, unit, "higher",
                         *self._rounds_of(clients, work, rate, lambda result: result["completed"] / result["cpu_seconds"]))

    def _rounds_of(self, clients, work, rate, value):
        """The median of each side over rounds that alternate."""
        values = [[], []]
        for _ in range(self._rounds):
            for side, one in enumerate(clients):
                result = one.run(work, self._seconds, rate)
                if os.environ.get("SALLYPORT_BENCH_VERBOSE"):
                    print(work, type(one.edge).__name__, result, file=sys.stderr)
                values[side].append(value(result))
        return [statistics.median(side) for side in values]

    def _report(self, name, unit, better, ours, peer):
        name += self._suffix
        if not name.startswith(self._only):
            return
        ratio = ours / peer if better == "higher" else peer / ours
        print(json.dumps({"name": name, "value": round(ours, 1), "unit": unit, "better": better, "peer": self._peer_name,
                          "peer_value": round(peer, 1), "ratio": round(ratio, 3)}, ensure_ascii=False), flush=True)


def enter_namespace():
    """Runs this program again inside a network namespace that goes with it."""
    if os.geteuid() != 0:
        sys.exit("sip_edge_bench: needs root for a network namespace of its own; run scripts/bench as root")
    for program in ("unshare", "ip", "ss", "kamailio"):
        if shutil.which(program) is None:
            sys.exit(f"sip_edge_bench: {program} is not installed; run scripts/install")
    os.environ[IN_NAMESPACE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="PREFIX")
    options = parser.parse_args()
    if not ("sip/edge_".startswith(options.only) or options.only.startswith("sip/edge_")):
        return
    if IN_NAMESPACE not in os.environ:
        enter_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    build = Path(os.environ.get("SALLYPORT_BUILD", HERE.parent / "build")).resolve()
    with tempfile.TemporaryDirectory(prefix="sallyport-bench-") as folder:
        bench = Bench(options, build, Path(folder))
        try:
            bench.run()
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
