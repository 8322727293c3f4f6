# SPDX-License-Identifier: Apache-2.0
"""The two edge proxies of sip_edge_bench.py, each with the far end behind it: E as its two processes, and Kamailio."""
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "scenario"))

from lab.certificates import Authority  # noqa: E402
from lab.node import Node  # noqa: E402
from lab.process import Process  # noqa: E402

FAR = ("127.0.0.1", 7001)
ZONE_USER, ZONE_PASSWORD = "exampleauth", "traversal-secret"

EDGE_NODE = """\
[node]
name = "bench"
role = "E"
fqdn = "edge.example.com"
run_dir = "@NODE@/run"
state_dir = "@NODE@/store"
log_level = "warn"

[[address]]
name = "outside"
ip = "127.0.0.3"
port = "ring"

[[address]]
name = "inside"
ip = "127.0.0.4"
port = "ring"

[[port]]
name = "ring"
profile = "ring"
device = "bench"

[dataplane]
socket = "@NODE@/run/dataplane.sock"
lcores = [{lcore}]
flows = 65536
memory_mb = 128
hugepages = "off"
sleep_idle_us = 1000

[media]
outer = "outside"
link = "inside"

[sip]
client_address = "outside"
domains = ["example.com"]
connections_per_source = 20000
handshakes_per_source_per_s = 100000
transactions = 1000000

[traversal]
address = "inside"

[tls]
certificate = "{certificate}"
key = "{key}"
ca_file = "{ca}"

[api]
socket = "@NODE@/run/api.sock"
"""

EDGE_SITE = f"""\
[[zone]]
name = "Traversal zone"
type = "uc_traversal"
port = 7001
user = "{ZONE_USER}"
tls_verify_subject_name = ["c1.inside.example.com"]
sip_domains = ["example.com"]

[[credential]]
name = "{ZONE_USER}"
password = "{ZONE_PASSWORD}"
"""

KAMAILIO_TLS = """\
[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
certificate = {edge.certificate}
private_key = {edge.key}
[client:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
"""


# A transaction stays in Kamailio's memory for five seconds after its answer, about 20 kB each: with 1 GB it runs out at ten
# thousand a second and closes connections. Pages come as they are touched.
SHARED_MEMORY_MB = 8192


class Wallet:
    """One authority, one certificate for either edge, one for the far end."""

    def __init__(self, folder):
        authority = Authority(folder)
        self.ca = authority.certificate
        self.edge = authority.issue("edge", "edge.example.com", names=("edge.example.com", "example.com"))
        self.far = authority.issue("far", "c1.inside.example.com", names=("c1.inside.example.com",))


def allow_many_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class SallyportEdge:
    """E: control plane and dataplane, both charged."""
    ip = "127.0.0.3"

    def __init__(self, folder, build, wallet):
        text = EDGE_NODE.format(lcore=0, certificate=wallet.edge.certificate, key=wallet.edge.key, ca=wallet.ca)
        self._node = Node("E", None, folder, build, text, EDGE_SITE)
        self._node.start()
        self._node.wait_answer(lambda status: status["dataplane"]["running"], "its dataplane")
        self._far = Process("far end", None, [build / "perf" / "sip_far_end", "dial", "127.0.0.4", "7001", wallet.far.certificate,
                                              wallet.far.key, "c1.inside.example.com", ZONE_USER, ZONE_PASSWORD], folder / "far.log")
        self._far.wait_for("ready")

    def control_pids(self):
        return [self._node.controlplane.pid]

    def pids(self):
        return [self._node.controlplane.pid, self._node.dataplane.pid]

    def tail(self):
        return f"  far end:\n{self._far.tail()}\n{self._node.tail()}"

    def stop(self):
        self._far.stop()
        self._node.stop()


class KamailioEdge:
    """Kamailio, all its processes charged."""
    ip = "127.0.0.2"

    def __init__(self, folder, build, wallet, workers):
        folder.mkdir()
        (folder / "kamailio-tls.cfg").write_text(KAMAILIO_TLS.format(edge=wallet.edge))
        text = (HERE / "kamailio_edge.cfg").read_text()
        for word, value in (("@FOLDER@", folder), ("@IP@", self.ip), ("@WORKERS@", workers), ("@FAR@", "127.0.0.1:7001")):
            text = text.replace(word, str(value))
        (folder / "kamailio.cfg").write_text(text)
        self._far = Process("far end", None, [build / "perf" / "sip_far_end", "listen", *map(str, FAR), wallet.far.certificate, wallet.far.key],
                            folder / "far.log")
        self._far.wait_for("ready")
        self._main = Process("kamailio", None, ["kamailio", "-DD", "-E", "-m", str(SHARED_MEMORY_MB), "-M", "32", "-x", "tlsf", "-X", "tlsf", "-f", folder / "kamailio.cfg", "-Y", folder],
                             folder / "kamailio.log")
        self._wait_listening()

    def _wait_listening(self):
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self._main.is_running():
            if "127.0.0.2:5061" in subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout:
                return
            time.sleep(0.05)
        raise RuntimeError(f"kamailio does not listen:\n{self._main.tail()}")

    def control_pids(self):
        return self.pids()

    def pids(self):
        children = Path(f"/proc/{self._main.pid}/task/{self._main.pid}/children").read_text().split()
        return [self._main.pid, *map(int, children)]

    def tail(self):
        first = "\n".join(f"    {line}" for line in self._main.output().splitlines() if "ERROR" in line or "CRITICAL" in line)[:1500]
        return f"  far end:\n{self._far.tail()}\n  kamailio's first errors:\n{first}"

    def stop(self):
        self._main.stop()
        self._far.stop()


def resident_bytes(pids):
    """Proportional set size: memory that processes share counts once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
