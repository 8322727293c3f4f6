# SPDX-License-Identifier: Apache-2.0
"""The operator's command, the REST interface beneath it, and the signals: on nodes that carry a call."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from types import SimpleNamespace

from lab import command, plan
from lab.conversation import Conversation
from lab.lab import TREE
from lab.node_config import ZONE
from lab.process import Process
from lab.report import require
from lab.scripted_phone import outside_phone, registered_pair
from lab.sip_peer import SipPeer
from lab.witness import Witness

VIEWS = (("status",), ("zones",), ("registrations",), ("calls",), ("calls", "--active"), ("flows",),
         ("counters",), ("counters", "--all"), ("top", "--once", "--interval", "1"), ("history",), ("export",), ("logs",))
COMMANDS = VIEWS + (("calls", "show"), ("capture",), ("traversal", "test"), ("check-config",), ("apply",), ("keys",))
DONE, NEGATIVE, USAGE, UNREACHABLE, REFUSED = range(5)
METRICS_URL = "http://127.0.0.1:9464/metrics"


def setup(lab):
    lab.start_peers()
    lab.start_nodes(drain_s=20)
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, nodes=(lab.edge, lab.core),
                           witness=Witness(lab))


def _curl(node, target, *options):
    """(status, body) of a request to the Unix socket."""
    answer = command.run("curl", "-sS", "--unix-socket", node.socket_path, "-w", "\n%{http_code}",
                         *options, f"http://node{target}")
    body, _, status = answer.rpartition("\n")
    return int(status), body


def test_every_view_answers_in_text_and_json(stage):
    for node in stage.nodes:
        for words in VIEWS:
            code, text, complaint = node.try_sallyport(*words)
            require(code == DONE and text.strip(), f"{node.role} {words}: {code}, {complaint or 'no text'}")
            require(json.loads(node.sallyport(*words, "--json")), f"{node.role} {words} --json is empty")


def test_every_command_has_help_with_an_example(stage):
    for words in COMMANDS:
        code, text, _ = stage.edge.try_sallyport(*words, "--help")
        require(code == DONE, f"sallyport {' '.join(words)} --help ends with {code}")
        require("Example: sallyport" in text, f"sallyport {' '.join(words)} --help has no example")


def test_a_call_is_shown_with_both_legs(stage):
    for node, sides in ((stage.edge, ("client", "traversal")), (stage.core, ("traversal", "inside"))):
        call = node.ask("calls", "--active")[0]
        shown = node.ask("calls", "show", call["id"])
        found = [leg["side"] for leg in shown["legs"]]
        require(sorted(found) == sorted(sides), f"{node.role} shows the legs {found}")
        text = node.sallyport("calls", "show", call["id"])
        for word in (stage.witness.outside.uri, stage.witness.inside.uri, *sides, "SUITE", "JITTER"):
            require(word in text, f"{node.role}: {word} is missing in\n{text}")


def test_the_flows_of_the_call_are_listed(stage):
    for node in stage.nodes:
        flows = node.ask("flows")
        calls = {flow["call"] for flow in flows}
        call = node.ask("calls", "--active")[0]["id"]
        require(call in calls, f"{node.role}: call {call} has no flow among {calls}")
        require(any(flow["stream"]["packets"] > 0 for flow in flows), f"{node.role}: no flow has packets")


def test_wrong_use_is_told_apart_by_exit_code(stage):
    edge = stage.edge
    for words, wanted, text in (
            (("statsu",), USAGE, "statsu"),
            ((), USAGE, "subcommand"),
            (("calls", "show"), USAGE, "ID"),
            (("calls", "--limit", "many"), USAGE, "limit"),
            (("calls", "show", "no-such-call"), REFUSED, "no-such-call"),
            (("traversal", "test", "no-such-zone"), REFUSED, "no-such-zone"),
            (("apply", "/no/such/file.toml"), REFUSED, "/no/such/file.toml"),
            (("check-config", "/no/such/node.toml"), NEGATIVE, "/no/such/node.toml")):
        code, output, complaint = edge.try_sallyport(*words)
        said = output + complaint
        require(code == wanted, f"sallyport {' '.join(words)}: exit code {code}, not {wanted}: {said}")
        require(text in said, f"sallyport {' '.join(words)} does not name {text}: {said}")


def test_a_node_that_does_not_run_is_told_as_such(stage):
    code, _, complaint = command.attempt(stage.edge.program, "--socket", "/run/no-such-node.sock", "status")
    require(code == UNREACHABLE and "/run/no-such-node.sock" in complaint, f"{code}: {complaint}")


def test_the_traversal_test_names_its_layers(stage):
    for node in stage.nodes:
        code, text, complaint = node.try_sallyport("traversal", "test", ZONE)
        require(code == DONE, f"from {node.role}: {code} {complaint}\n{text}")
        require("passed" in text, f"from {node.role}:\n{text}")


def test_rest_answers_curl(stage):
    for node in stage.nodes:
        status, body = _curl(node, "/v1/status")
        require(status == 200 and json.loads(body)["role"] == node.role, f"{status} {body}")
    for target, options, wanted in (("/v1/nothing", (), 404), ("/v1/status", ("-X", "DELETE"), 405),
                                    ("/v1/calls/unknown", (), 404), ("/v1/%zz", (), 400),
                                    ("/v1/status", ("-H", "X-Long: " + "a" * 20000), 431),
                                    ("/v1/apply", ("--data-binary", "= broken"), 422)):
        status, body = _curl(stage.edge, target, *options)
        require(status == wanted, f"{target} answers {status}, not {wanted}: {body}")
        require(json.loads(body), f"{target}: no JSON in the answer")


def _series(text):
    """Prometheus text, read strictly: name -> its series. Fails on what a scraper would refuse."""
    kinds, series = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            require(name not in kinds, f"{name} has two TYPE lines")
            require(kind in ("counter", "gauge"), f"unknown type: {line}")
            kinds[name] = kind
        elif line.startswith("# HELP "):
            require(len(line.split(" ", 3)) == 4, f"HELP without text: {line}")
        elif line:
            found = re.fullmatch(r'([a-z_][a-z0-9_]*)(\{([a-z_]+="[^"\\\n]*",?)*\})? [-+0-9.e]+', line)
            require(found, f"not a sample: {line}")
            name, labels = found[1], found[2] or ""
            require(name in kinds, f"{name} has no TYPE before its sample")
            require(labels not in series.setdefault(name, set()), f"twice: {name}{labels}")
            series[name].add(labels)
    for name, kind in kinds.items():
        require((kind == "counter") == name.endswith("_total"), f"{name} is a {kind}")
    return series


def test_metrics_are_valid_and_bounded(stage):
    """More users and calls may not make more series: labels come from finite sets."""
    before = {node: _series(_curl(node, "/metrics")[1]) for node in stage.nodes}
    outside, inside = registered_pair(stage.lab)
    peer = outside.peer
    peer.send(peer.request("FROBNICATE", inside.uri))
    inside.peer.send(inside.peer.reply(inside.peer.expect("FROBNICATE"), 200, "OK"))
    peer.expect(200)
    peer.send(peer.request("OPTIONS", inside.uri, max_forwards=0))
    peer.expect(483)
    for node, series in before.items():
        text = _curl(node, "/metrics")[1]
        require(_series(text) == series, f"{node.role} has other series after more traffic")
        require(sum(map(len, series.values())) < 2000, f"{node.role} has {len(series)} metrics")
        for word in (peer.user, inside.peer.user, plan.DOMAIN, plan.HOME_ROUTER_WAN.host4):
            require(word not in text, f"{node.role}'s metrics name {word}")


def _reference_page():
    """docs/metrics.md: name -> (type, labels)."""
    rows = re.findall(r"^\| `(sallyport_[a-z0-9_]+)` \| (counter|gauge) \| ([^|]*) \|", (TREE / "docs/metrics.md").read_text(), re.M)
    return {name: (kind, set(re.findall(r"`([a-z_]+)`", labels))) for name, kind, labels in rows}


def test_every_metric_stands_on_the_reference_page_with_its_labels(stage):
    page = _reference_page()
    told = set()
    for node in stage.nodes:
        text = _curl(node, "/metrics")[1]
        for name, series in _series(text).items():
            require(name in page, f"{node.role} serves {name}, which docs/metrics.md does not know")
            for labels in series:
                found = set(re.findall(r'([a-z_]+)="', labels))
                require(found == page[name][1], f"{name}{labels}: docs/metrics.md has the labels {page[name][1]}")
            told.add(name)
        require(not re.search(r"^# HELP \S+ *$", text, re.M), f"{node.role}: a metric without HELP")
    missing = page.keys() - told
    require(not missing, f"docs/metrics.md has what no node serves: {missing}")


def test_top_shows_the_traffic_of_a_call(stage):
    """One picture without a terminal; on one it goes on until Ctrl-C and leaves the screen as it was."""
    with Conversation(stage.witness.call) as talk:
        talk.go_on(0.2)
        text = stage.core.sallyport("top", "--interval", "1")
        told = stage.core.ask("top", "--once", "--interval", "1")
    require(told["packets_in_per_s"] > 0 and told["busiest_flows"], f"no traffic in {told}")
    for word in ("packets/s", "LOAD %", "busiest flows", "worst calls", "steering"):
        require(word in text, f"{word} is missing in\n{text}")
    master, slave = pty.openpty()
    child = subprocess.Popen([stage.core.program, "--socket", stage.core.socket_path, "top", "--interval", "1"],
                             stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while seen.count(b"\x1b[2J") < 3:  # refreshed twice
        require(select.select([master], [], [], 15)[0], f"top showed nothing more after {seen[-200:]}")
        seen += os.read(master, 65536)
    child.send_signal(signal.SIGINT)
    require(child.wait(5) == DONE, f"top ended with {child.returncode} at Ctrl-C")
    while select.select([master], [], [], 0)[0]:
        try:
            seen += os.read(master, 65536)
        except OSError:  # the end of a terminal
            break
    os.close(master)
    require(seen.endswith(b"\x1b[?25h\x1b[?1049l"), f"the screen was left as {seen[-40:]}")


def test_counters_are_shown_by_stage_reason_and_worker(stage):
    for node in stage.nodes:
        text = node.sallyport("counters", "--all")
        for word in ("CYCLES A PACKET", "find_flow", "sequence number already seen", "HANDED OVER", "steering in force: "):
            require(word in text, f"{node.role}: {word} is missing in\n{text}")


def test_metrics_over_tcp_and_nothing_else(stage):
    scraped = stage.edge.namespace.run("curl", "-sS", METRICS_URL)
    require("sallyport_sip_requests_total" in _series(scraped), "no SIP counters")
    other = stage.edge.namespace.run("curl", "-sS", "-w", "%{http_code}",
                                     METRICS_URL.replace("/metrics", "/v1/status"))
    require(other.endswith("403"), f"/v1/status over TCP answers {other}")


def test_the_log_can_be_followed(stage):
    """A refused message shows up in a `logs --follow` that runs already, as one JSON object a line."""
    follower = stage.lab.keep(Process(
        "logs", None, [stage.edge.program, "--socket", stage.edge.socket_path, "logs", "--follow",
                       "--lines", "0", "--json"], stage.lab.folder / "follower.log"))
    deadline = time.monotonic() + 10
    while not follower.output() and time.monotonic() < deadline:
        peer = SipPeer.connect_tls("noise", stage.lab.spaces["internet"], plan.EDGE_OUTSIDE.host4,
                                   plan.SIP_TLS_PORT)
        peer.send_bytes(b"\x00\x01garbage\r\n\r\n")
        peer.expect_closed()
    entry = json.loads(follower.wait_for(r"refused: 400", 1).string)
    require({"at", "level", "kind", "text"} <= entry.keys(), f"an entry has {sorted(entry)}")
    follower.stop()


def test_apply_shows_its_plan_first_and_export_gives_it_back(stage):
    """Another subject name: the plan names it, --dry-run changes nothing, applying ends no connection."""
    edge = stage.edge
    path = edge.folder / "changed.toml"
    exported = edge.sallyport("export")
    path.write_text(edge.site_path.read_text().replace(
        f'["{plan.CLUSTER_NAME}"]', f'["{plan.CLUSTER_NAME}", "c9.inside.example.com"]'))
    planned = edge.sallyport("apply", "--dry-run", path)
    require("c9.inside.example.com" in planned, f"the plan does not name the change:\n{planned}")
    require(edge.sallyport("export") == exported, "a dry run changed the site")
    before = edge.ask("status")["site_revision"]
    applied = edge.sallyport("apply", "--yes", path)
    require("applied, revision" in applied, applied)
    require(edge.ask("status")["site_revision"] == before + 1, "the revision did not grow by one")
    require("c9.inside.example.com" in edge.sallyport("export"), "the export lacks the change")
    require("c9.inside.example.com" in edge.sallyport("history"), "the history lacks the change")
    code, text, _ = edge.try_sallyport("apply", "-", stdin=edge.sallyport("export"))
    require(code == DONE and "nothing to change" in text, f"an export applied again: {code} {text}")
    stage.witness.require_unharmed()


def _serial_of(stage):
    certificates = stage.edge.ask("status")["certificates"]
    return next(each["serial"] for each in certificates if each["use"] == "server")


def _replace(credential, by):
    shutil.copy(by.certificate, credential.certificate)
    shutil.copy(by.key, credential.key)


def _reload(node, pattern):
    mark = node.controlplane.mark()
    node.reload()
    node.controlplane.wait_for(pattern, 10, since=mark)


def test_sighup_takes_a_new_certificate_and_refuses_a_broken_one(stage):
    wallet, edge = stage.lab.wallet, stage.edge
    before = _serial_of(stage)
    fresh = wallet.authority.issue("edge-fresh", plan.EDGE_NAME, names=(plan.EDGE_NAME, plan.DOMAIN))
    _replace(wallet.edge, fresh)
    _reload(edge, "reload done")
    serial = _serial_of(stage)
    require(serial != before, "the certificate did not change")
    wallet.edge.certificate.write_text("not a certificate\n")
    _reload(edge, f"reload refused.*{wallet.edge.certificate.name}")
    require(_serial_of(stage) == serial, "a broken file took the certificate away")
    outside_phone(stage.lab, "newcomer").register().close()
    _replace(wallet.edge, fresh)
    _reload(edge, "reload done")
    stage.witness.require_unharmed()


def test_sigterm_refuses_new_calls_and_waits_for_the_running_one(stage):
    edge, witness = stage.edge, stage.witness
    late, callee = registered_pair(stage.lab)
    edge.controlplane.signal(signal.SIGTERM)
    edge.controlplane.wait_for("draining", 5)
    with edge.counting("sallyport_sip_refused_draining_total"):
        invite = late.peer.send(late.peer.request("INVITE", callee.uri, body=late.offer()))
        refusal = late.peer.expect(503, call_id=invite.get("Call-ID"))
    require(refusal.get("Retry-After"), f"503 without Retry-After:\n{refusal}")
    require(edge.ask("status")["state"] == "draining", "status does not say so")
    late.end_media()
    witness.call.talk(0.3)
    require(edge.controlplane.is_running(), "E ended while a call ran")
    witness.end()
    code = edge.controlplane.wait(8)
    require(code == 0, f"E's control plane ended with {code}")
    edge.start_controlplane()
    stage.lab.await_traversal(30)


def test_sigterm_ends_at_its_deadline_and_media_goes_on(stage):
    """The control plane goes although a call runs; the dataplane carries on with it."""
    stage.lab.replace_core(drain_s=1)
    stage.lab.await_traversal(30)
    core, call = stage.lab.core, Witness(stage.lab).call
    begin = time.monotonic()
    core.controlplane.signal(signal.SIGTERM)
    code = core.controlplane.wait(10)
    took = time.monotonic() - begin
    require(code == 0, f"C's control plane ended with {code}")
    require(took >= 0.9, f"C ended after {took:.1f} s, before its deadline")
    core.controlplane = None
    call.talk(0.3)
    call.caller.end_media()
    call.callee.end_media()
