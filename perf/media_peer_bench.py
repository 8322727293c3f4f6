#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""media_peer_bench.py [--quick] [--only PREFIX]: the dataplane as a process beside testpmd and rtpengine, on the same ports in the same run.

packet_load (on core 0) drives whichever stands on core 1 and keeps it busy: at most a window of packets is on its way, so none is lost to a
full ring. It makes and checks all packets: SRTP of 160 bytes of payload. Rounds alternate, and the median is reported.
  relay/memif/flows1000           opaque relay between two memif ports, packets a second; testpmd forwards the same (io) and looks into none
  relay/memif/cycles              what of that is the forwarding process's own: cycles of bursts that held packets, receive to transmit
  relay/memif/latency/L/Q         added latency at L percent of the fastest rate, quantile Q, microseconds
  media/memif/rekey/flows100      AES-CM-128 with tags of 80 bits to tags of 32: packets a CPU-second, on memif; rtpengine on veth
  media/PROFILE/rekey/flows100    the same with kernel ports (profiles packet and xdp), rtpengine on the same veth pair
rtpengine runs without its kernel module (--table=-1), one thread; that it does re-encrypt is checked by opening what comes.
Wants root (a namespace), two cores, dpdk-testpmd, rtpengine, and the build folder in SALLYPORT_BUILD.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "scenario"))

from lab.namespace import Namespace  # noqa: E402
from lab.process import Process  # noqa: E402
from rtpengine import CALLEE_SUITE, CALLER_SUITE, Rtpengine  # noqa: E402

LOAD_CORE, WORK_CORE = 0, 1
LOAD_IP, WORK_IP = "10.77.0.1", "10.77.0.2"
SEND_PORT, RECEIVE_PORT = 20000, 20001
FIRST_PORT, FIRST_EGRESS_PORT = 37000, 47000
SUITES = {"": 0, CALLER_SUITE: 1, CALLEE_SUITE: 2}
RELAY_FLOWS, REKEY_FLOWS = 1000, 100
KERNEL_WINDOW, MEMIF_WINDOW = 256, 512
KERNEL_PROFILES = ("packet", "xdp")

DATAPLANE = """\
[node]
name = "bench"
{ports}
[[address]]
name = "in"
ip = "{ip}"
port = "{first}"
[[address]]
name = "out"
ip = "{second_ip}"
port = "{second}"
[dataplane]
socket = "{folder}/dataplane.sock"
lcores = [{core}]
flows = 4096
memory_mb = 256
hugepages = "auto"
sleep_idle_us = {sleep_us}
"""
PORT = '[[port]]\nname = "{name}"\nprofile = "{profile}"\ndevice = "{device}"\n{more}'


class Flow:
    """One stream: where the load sends it, with which key, and with which it comes back."""

    def __init__(self, port, seal_suite="", seal_key=b"", open_suite="", open_key=b""):
        self.port, self.seal, self.open = port, (SUITES[seal_suite], seal_key), (SUITES[open_suite], open_key)

    @staticmethod
    def _words(suite_and_key):
        suite, key = suite_and_key
        return f"{suite} {key.hex() or '-'}"

    def load_line(self):
        return f"{LOAD_IP} {SEND_PORT} {WORK_IP} {self.port} {self._words(self.seal)} {self._words(self.open)}"

    def setup_line(self, egress_port):
        return f"0 {self.port} {LOAD_IP} 1 {egress_port} {LOAD_IP} {RECEIVE_PORT} {self._words(self.seal)} {self._words(self.open)}"


class Load:
    """A packet_load process. run() gives its figures."""

    def __init__(self, build, arguments, flows, space=None):
        self._child = subprocess.Popen((space.exec_prefix() if space else []) + [str(build / "perf" / "packet_load"), "--core", str(LOAD_CORE),
                                                                                *map(str, arguments)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._child.stdin.write("\n".join(flow.load_line() for flow in flows) + "\nend\n")
        self._child.stdin.flush()
        # A memif client finds its server only if that is there before it.
        if self._child.stdout.readline() != "open\n":
            raise RuntimeError("packet_load opens no port; what it says is above")

    def run(self, peer):
        if self._child.stdout.readline() != "ready\n":
            raise RuntimeError(f"no packet comes through {type(peer).__name__}:\n{peer.tail()}")
        peer.begin()
        self._child.stdin.write("go\n")
        self._child.stdin.flush()
        result = json.loads(self._child.stdout.readline())
        if result["rejected"] or not result["verified"]:
            raise RuntimeError(f"{type(peer).__name__} spoils packets: {result}")
        return result

    def stop(self):
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._child.stdin.close()
        self._child.stdout.close()


class Dataplane:
    """sallyport-dataplane alone, its flows given by flow_setup."""

    def __init__(self, folder, build, profile, devices, space=None):
        folder.mkdir()
        self._setup, self._socket = build / "perf" / "flow_setup", folder / "dataplane.sock"
        more = 'peer_mac = "02:00:00:00:00:77"\n' if profile == "memif" else ""
        names = [f"p{number}" for number in range(len(devices))]
        text = DATAPLANE.format(ports="".join(PORT.format(name=name, profile=profile, device=device, more=more) for name, device in zip(names, devices)),
                                ip=WORK_IP, second_ip=WORK_IP if len(devices) == 1 else "10.77.1.2", first=names[0], second=names[-1], folder=folder,
                                core=WORK_CORE, sleep_us=0 if profile == "memif" else 50)
        if len(devices) == 1:
            text = text.replace(f'ip = "{WORK_IP}"\nport = "p0"\n[dataplane]', 'ip = "10.77.0.3"\nport = "p0"\n[dataplane]')
        (folder / "node.toml").write_text(text)
        self._process = Process("dataplane", space, [build / "dataplane" / "sallyport-dataplane", "--config", folder / "node.toml"], folder / "log")
        self._process.wait_for("ready", 20)

    @property
    def pid(self):
        return self._process.pid

    def set_up(self, flows):
        lines = "\n".join(flow.setup_line(FIRST_EGRESS_PORT + 2 * number) for number, flow in enumerate(flows))
        subprocess.run([self._setup, self._socket], input=lines + "\n", text=True, check=True, stdout=subprocess.DEVNULL)

    def _counters(self):
        return json.loads(subprocess.run([self._setup, self._socket, "counters"], capture_output=True, text=True, check=True).stdout)

    def begin(self):
        self._before = self._counters()

    def cycles_per_packet(self):
        now = self._counters()
        packets = now["packets_out"] - self._before["packets_out"]
        return sum(now[name] - self._before[name] for name in now if name.endswith("_cycles")) / packets

    def tail(self):
        return f"{self._counters()}\n{self._process.tail()}"

    def stop(self):
        self._process.stop()


class Testpmd:
    """dpdk-testpmd, io forwarding from one memif port to the other."""

    def __init__(self, folder, names):
        vdevs = [word for number, name in enumerate(names)
                 for word in ("--vdev", f"net_memif{number},role=client,id=0,socket={name},socket-abstract=yes,rsize=10,bsize=2048")]
        self._log = open(folder / "testpmd.log", "w+", encoding="utf-8")
        self._child = subprocess.Popen(["dpdk-testpmd", f"--lcores=0@{LOAD_CORE},1@{WORK_CORE}", "--no-pci", "--in-memory", "--no-telemetry", "--log-level=4", *vdevs,
                                        "--", "-i", "--forward-mode=io", "--record-core-cycles", "--total-num-mbufs=16384"],
                                       stdin=subprocess.PIPE, stdout=self._log, stderr=subprocess.STDOUT, text=True)
        self._order("start")

    def _order(self, word):
        self._child.stdin.write(word + "\n")
        self._child.stdin.flush()

    @property
    def pid(self):
        return self._child.pid

    def begin(self):
        """Its figures are of everything since the start: the load's beginning is a small part."""

    def cycles_per_packet(self):
        self._order("stop\nquit")
        self._child.wait(20)
        found = re.search(r"CPU cycles/packet=([\d.]+)", Path(self._log.name).read_text())
        if not found:
            raise RuntimeError(f"testpmd told no cycles:\n{self.tail()}")
        return float(found.group(1))

    def tail(self):
        return "\n".join(Path(self._log.name).read_text().splitlines()[-20:])

    def stop(self):
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._child.stdin.close()
        self._log.close()


class Bench:
    """Everything of one run, and what it takes away again."""

    def __init__(self, options, build, folder):
        self._options, self._build, self._folder = options, build, folder
        self._seconds = 0.5 if options.quick else 2
        self._rounds = 1 if options.quick else 5
        self._number = 0
        self._space = None

    def wants(self, *names):
        return any(name.startswith(self._options.only) or self._options.only.startswith(name) for name in names)

    def _next_folder(self):
        self._number += 1
        return self._folder / str(self._number)

    def _print(self, name, value, unit, better, peer=None, peer_value=None):
        ratio = None
        if peer_value:
            ratio = value / peer_value if better == "higher" else peer_value / value
        if name.startswith(self._options.only):
            print(json.dumps({"name": name, "value": value, "unit": unit, "better": better, "peer": peer, "peer_value": peer_value, "ratio": ratio}), flush=True)

    # memif

    def _memif_names(self):
        self._number += 1
        return [f"sallyport-bench-{os.getpid()}-{self._number}-{end}" for end in ("in", "out")]

    def _over_memif(self, make, flows, more=()):
        """Figures of packet_load and cycles a packet of what make(names) gives."""
        names = self._memif_names()
        load = Load(self._build, ["--memif-out", names[0], "--memif-in", names[1], "--window", MEMIF_WINDOW, "--seconds", self._seconds, *more], flows)
        peer = None
        try:
            peer = make(names)
            if isinstance(peer, Dataplane):
                peer.set_up(flows)
            result = load.run(peer)
            return result, peer.cycles_per_packet()
        finally:
            load.stop()
            if peer:
                peer.stop()

    def _ours_on_memif(self, names):
        return Dataplane(self._next_folder(), self._build, "memif", names)

    def _testpmd(self, names):
        folder = self._next_folder()
        folder.mkdir()
        return Testpmd(folder, names)

    def relay_on_memif(self):
        flows = [Flow(FIRST_PORT + 2 * number) for number in range(RELAY_FLOWS)]
        ours, theirs = [], []
        for _ in range(self._rounds):
            ours.append(self._over_memif(self._ours_on_memif, flows))
            theirs.append(self._over_memif(self._testpmd, flows))
        speeds = [statistics.median(result["received_in_time"] / result["seconds"] for result, _ in side) for side in (ours, theirs)]
        cycles = [statistics.median(cycles for _, cycles in side) for side in (ours, theirs)]
        self._print(f"relay/memif/flows{RELAY_FLOWS}", speeds[0], "packets/s", "higher", "testpmd io", speeds[1])
        self._print("relay/memif/cycles", cycles[0], "cycles/packet", "lower", "testpmd io", cycles[1])
        for percent in (50, 80):
            results = [self._over_memif(self._ours_on_memif, flows, ["--rate", int(speeds[0] * percent / 100)])[0] for _ in range(self._rounds)]
            for quantile in ("p50", "p99", "p999"):
                self._print(f"relay/memif/latency/{percent}/{quantile}", statistics.median(result[f"{quantile}_us"] for result in results), "µs", "lower")

    # Kernel ports

    def open_space(self):
        """A pair of namespaces: in one the load, in the other what forwards."""
        self._space = [Namespace(f"sp-bench-{os.getpid()}-{end}") for end in ("load", "work")]
        for space in self._space:
            space.create()
        load, work = self._space
        subprocess.run(["ip", "link", "add", "wan", "netns", load.name, "type", "veth", "peer", "name", "wan", "netns", work.name], check=True)
        for space, ip in ((load, LOAD_IP), (work, WORK_IP)):
            space.run("ip", "address", "add", f"{ip}/24", "dev", "wan")
            space.run("ethtool", "-K", "wan", "tx", "off")
            space.run("ip", "link", "set", "wan", "up")
        # Each side's network stack runs on its side's core, as with a machine each.
        for space, core in ((load, LOAD_CORE), (work, WORK_CORE)):
            space.run("sh", "-c", f"echo {1 << core:x} > /sys/class/net/wan/queues/rx-0/rps_cpus")

    def close_space(self):
        for space in self._space or []:
            subprocess.run(["ip", "netns", "del", space.name], check=False)

    def _over_veth(self, peer, flows):
        load = Load(self._build, ["--ip", LOAD_IP, "--send-port", SEND_PORT, "--receive-port", RECEIVE_PORT, "--window", KERNEL_WINDOW, "--seconds", self._seconds,
                                  "--pids", peer.pid], flows, self._space[0])
        try:
            result = load.run(peer)
            return result["received_in_time"] / result["cpu_seconds"]
        finally:
            load.stop()

    @staticmethod
    def _rekey_flows():
        return [Flow(FIRST_PORT + 2 * number, CALLER_SUITE, os.urandom(30), CALLEE_SUITE, os.urandom(30)) for number in range(REKEY_FLOWS)]

    def _rtpengine_on_veth(self):
        peer = Rtpengine(self._space[1], WORK_IP, WORK_CORE, self._folder)
        peer.begin = lambda: None
        try:
            flows = []
            for number in range(REKEY_FLOWS):
                port, caller_key, heard = peer.call(number, SEND_PORT, RECEIVE_PORT, LOAD_IP)
                flows.append(Flow(port, CALLER_SUITE, caller_key, CALLEE_SUITE, heard))
            return self._over_veth(peer, flows)
        finally:
            peer.stop()

    def _ours_on_veth(self, profile):
        work = self._space[1]
        for rule in ("add table inet sallyport", "add chain inet sallyport input { type filter hook input priority 0; }",
                     "add rule inet sallyport input udp dport 36000-59999 drop"):
            work.run("nft", rule)
        work.run("ip", "address", "replace", "10.77.0.3/24", "dev", "wan")
        flows = self._rekey_flows()
        try:
            peer = Dataplane(self._next_folder(), self._build, profile, ["wan"], work)
            try:
                peer.set_up(flows)
                return self._over_veth(peer, flows)
            finally:
                peer.stop()
        finally:
            work.run("nft", "delete table inet sallyport")

    def rekey(self):
        theirs, kernel, memif = [], {profile: [] for profile in KERNEL_PROFILES}, []
        for _ in range(self._rounds):
            theirs.append(self._rtpengine_on_veth())
            for profile, figures in kernel.items():
                figures.append(self._ours_on_veth(profile))
            result, _ = self._over_memif(self._ours_on_memif, self._rekey_flows())
            # A worker that never sleeps has used all of the time.
            memif.append(result["received_in_time"] / result["seconds"])
        peer = statistics.median(theirs)
        for profile, figures in kernel.items():
            self._print(f"media/{profile}/rekey/flows{REKEY_FLOWS}", statistics.median(figures), "packets/CPU-s", "higher", "rtpengine", peer)
        self._print(f"media/memif/rekey/flows{REKEY_FLOWS}", statistics.median(memif), "packets/CPU-s", "higher", "rtpengine on veth", peer)


def main():
    parser = argparse.ArgumentParser(description="The dataplane beside testpmd and rtpengine.")
    parser.add_argument("--quick", action="store_true", help="short runs: figures vary more")
    parser.add_argument("--only", metavar="PREFIX", default="", help="only results whose name begins so")
    options = parser.parse_args()
    build = Path(os.environ.get("SALLYPORT_BUILD", HERE.parent / "build")).resolve()
    missing = [program for program in ("dpdk-testpmd", "rtpengine", "nft", "ip", "ethtool") if shutil.which(program) is None]
    if missing:
        sys.exit(f"media_peer_bench: {', '.join(missing)} not installed; run scripts/install")
    if os.geteuid() != 0 or os.cpu_count() < 2:
        sys.exit("media_peer_bench: wants root, for namespaces of its own, and two cores")
    with tempfile.TemporaryDirectory(prefix="sallyport-bench-") as folder:
        bench = Bench(options, build, Path(folder))
        if bench.wants("relay/memif"):
            bench.relay_on_memif()
        if bench.wants("media/memif/rekey", *(f"media/{profile}/rekey" for profile in KERNEL_PROFILES)):
            try:
                bench.open_space()
                bench.rekey()
            finally:
                bench.close_space()


if __name__ == "__main__":
    main()
