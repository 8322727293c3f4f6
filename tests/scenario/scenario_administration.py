# SPDX-License-Identifier: Apache-2.0
"""Administration over HTTPS: operators in namespaces of their own log in at both nodes, while a call runs and strangers knock."""
import json
import os
import pty
import re
import select
import shutil
import threading
from types import SimpleNamespace

from lab import plan
from lab.administrator import PORT, Administrator
from lab.report import require
from lab.witness import Witness

PASSWORDS = {"rita": "reads but does not touch", "otto": "operates with great care", "anna": "administers all of it 7"}
ROLES = {"rita": "read", "otto": "operate", "anna": "administer"}
WRONG = "not the one that it is"


def setup(lab):
    lab.start_peers()
    authority = lab.wallet.authority
    # Operators come by address: names of the DMZ stand in no zone of the lab.
    edge = authority.issue("edge-administered", plan.EDGE_NAME, names=(plan.EDGE_NAME, plan.DOMAIN), addresses=(plan.EDGE_INSIDE.host4,))
    core = authority.issue("core-administered", plan.CORE_NAME, names=(plan.CORE_NAME, plan.CLUSTER_NAME), addresses=(plan.CORE.host4,))
    lab.start_nodes(administration=True, edge_credential=edge, core_credential=core)
    stage = SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, authority=authority, credential=core, witness=Witness(lab))
    for node in (lab.edge, lab.core):
        for name, role in ROLES.items():
            path = lab.folder / f"{name}.password"
            path.write_text(PASSWORDS[name] + "\n")
            node.sallyport("account", "add", name, "--role", role, "--new-password-file", path)
    return stage


def operator(stage, name="", space="desk", host=plan.CORE.host4):
    somebody = Administrator(stage.lab.spaces[space], host, stage.authority.certificate)
    if name:
        answer = somebody.log_in(name, PASSWORDS[name])
        require(answer.status == 201 and answer.json["role"] == ROLES[name], f"{name}: {answer}")
    return somebody


def test_each_role_may_what_it_may_and_no_more(stage):
    wanted = {"rita": (200, 403, 403, 403), "otto": (200, 200, 403, 403), "anna": (200, 200, 201, 200)}
    for name, statuses in wanted.items():
        somebody = operator(stage, name)
        found = (somebody.ask("GET", "/v1/status").status, somebody.ask("POST", "/v1/traversal/test").status,
                 somebody.ask("POST", "/v1/domains", {"name": "tenant.example.net"}).status, somebody.ask("GET", "/v1/audit").status)
        require(found == statuses, f"{name} ({ROLES[name]}) got {found}")
    require("tenant.example.net" in stage.core.sallyport("domain", "list"), "what anna did over HTTPS is not there")


def test_without_a_session_nothing_is_told(stage):
    stranger = operator(stage)
    for method, target in (("GET", "/index.html"), ("GET", "/v1/status"), ("GET", "/v1/nothing"), ("GET", "/metrics"), ("POST", "/v1/apply")):
        answer = stranger.ask(method, target)
        require(answer.status == 401 and "log in" in answer.body, f"{method} {target}: {answer}")


def test_curl_logs_in_with_a_cookie_jar(stage):
    jar = stage.lab.folder / "jar"
    url = f"https://{plan.CORE.host4}:{PORT}"
    curl = ("curl", "-sS", "--cacert", stage.authority.certificate, "--cookie-jar", jar, "--cookie", jar)
    told = stage.lab.spaces["desk"].run(*curl, "-d", json.dumps({"name": "rita", "password": PASSWORDS["rita"]}), f"{url}/v1/session")
    require(json.loads(told)["role"] == "read", told)
    require(json.loads(stage.lab.spaces["desk"].run(*curl, f"{url}/v1/status"))["role"] == "C", "no status")
    head = stage.lab.spaces["desk"].run(*curl, "-D", "-", "-o", "/dev/null", f"{url}/v1/status")
    for field in ("Strict-Transport-Security: max-age=", "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Content-Security-Policy: default-src 'none'"):
        require(field in head, f"{field} is missing in\n{head}")
    require("#HttpOnly_" in jar.read_text() and "__Host-sallyport" in jar.read_text(), jar.read_text())


def test_forged_requests_are_refused(stage):
    anna = operator(stage, "anna")
    for forged in ({"csrf": ""}, {"csrf": "0" * 64}, {"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Host": "evil.example"}):
        answer = anna.ask("POST", "/v1/domains", {"name": "forged.example.net"}, **forged)
        require(answer.status in (403, 421), f"{forged}: {answer}")
    require("forged.example.net" not in stage.core.sallyport("domain", "list"), "a forged request was obeyed")


def test_public_faces_do_not_answer(stage):
    """E's is reached from the DMZ alone, where it listens; the port for phones knows nothing of it."""
    listed = stage.edge.namespace.run("ss", "-Hltn")
    local = {line.split()[3] for line in listed.splitlines()}
    require(f"{plan.EDGE_INSIDE.host4}:{PORT}" in local, f"E listens on {local}")
    require({each for each in local if each.endswith(f":{PORT}")} == {f"{plan.EDGE_INSIDE.host4}:{PORT}"}, f"E listens on {local}")
    for space in ("home", "internet"):
        try:
            stage.lab.spaces[space].connect(plan.EDGE_OUTSIDE.host4, PORT, 2.0).close()
        except OSError:
            continue
        raise AssertionError(f"E's public address answers on {PORT} from {space}")
    answer = stage.lab.spaces["internet"].run("curl", "-sk", "--max-time", "3", "-w", "%{http_code}", "-d", "{}", f"https://{plan.EDGE_OUTSIDE.host4}:{plan.SIP_TLS_PORT}/v1/session", check=False)
    require(answer[-3:] == "000" or answer[-3:] == "400" and "session" not in answer, f"the port for phones answers {answer}")
    require(operator(stage, "rita", "firewall", plan.EDGE_INSIDE.host4).ask("GET", "/v1/status").json["role"] == "E", "no status from the DMZ")
    code, text, complaint = stage.edge.try_sallyport("check-config", _everywhere(stage))
    require(code == 1 and "is every address of the node" in text, f"{code} {text} {complaint}")


def _everywhere(stage):
    path = stage.lab.folder / "everywhere.toml"
    path.write_text(stage.edge.config_path.read_text().replace(f'"{plan.EDGE_INSIDE.host4}:{PORT}"', f'"0.0.0.0:{PORT}"'))
    return path


def test_many_logins_at_once_harm_no_call(stage):
    """scrypt is meant to be slow: the node's own thread does none of it."""
    verdicts = []

    def knock(number):
        somebody = operator(stage, space="desk" if number < 4 else "firewall")
        verdicts.append(somebody.log_in(f"nobody{number}", WRONG).status)

    threads = [threading.Thread(target=knock, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    stage.witness.call.talk(1.0)
    for thread in threads:
        thread.join(60)
    require(len(verdicts) == len(threads) and set(verdicts) <= {401, 503}, f"{verdicts}")
    stage.witness.require_unharmed()


def test_guessing_is_slowed_down_and_who_was_there_before_still_comes_in(stage):
    operator(stage, "anna")
    guesser = operator(stage, space="cm")
    with stage.core.counting("sallyport_administration_logins_total", outcome="too_fast"):
        answers = [guesser.log_in("anna", WRONG) for _ in range(8)]
    statuses = [answer.status for answer in answers]
    require(statuses == sorted(statuses) and statuses[0] == 401 and statuses[-1] == 429, f"{statuses}")
    require(int(answers[-1].fields["retry-after"]) >= 1, f"{answers[-1]}")
    require(guesser.log_in("nobody", WRONG).status == 429, "the source may go on with another name")
    operator(stage, "anna")


def test_haste_is_refused_and_a_session_recovers(stage):
    rita = operator(stage, "rita")
    statuses = {rita.ask("GET", "/v1/session").status for _ in range(150)}
    require(statuses <= {200, 429}, f"{statuses}")
    require(operator(stage, "otto").ask("GET", "/v1/status").status == 200, "another session suffers")


def test_a_certificate_is_replaced_while_a_session_lives(stage):
    anna = operator(stage, "anna")
    before = anna.serial
    fresh = stage.authority.issue("core-fresh", plan.CORE_NAME, names=(plan.CORE_NAME, plan.CLUSTER_NAME), addresses=(plan.CORE.host4,))
    shutil.copy(fresh.certificate, stage.credential.certificate)
    shutil.copy(fresh.key, stage.credential.key)
    mark = stage.core.controlplane.mark()
    stage.core.reload()
    stage.core.controlplane.wait_for("reload done", 10, since=mark)
    require(anna.ask("GET", "/v1/status").status == 200 and anna.serial == before, "the connection did not stay")
    anna.close()
    require(anna.ask("GET", "/v1/status").status == 200, "the session did not stay")
    require(anna.serial != before, "the next handshake shows the old certificate")
    stage.witness.require_unharmed()


def test_the_command_works_over_https(stage):
    """From the DMZ at E, as from an operator's own machine; its session is gone with it."""
    def sallyport(*words, name="anna"):
        return stage.lab.spaces["firewall"].run(stage.edge.program, "--url", f"https://{plan.EDGE_INSIDE.host4}:{PORT}", "--account", name, "--ca", stage.authority.certificate,
                                                "--password-file", stage.lab.folder / f"{name}.password", *words)

    require("edge.example.com" in sallyport("status"), "no status")
    require(json.loads(sallyport("zones", "--json")), "no zones")
    require("passed" in sallyport("traversal", "test", name="otto"), "no test")
    sallyport("domain", "add", "remote.example.net")
    require("remote.example.net" in stage.edge.sallyport("domain", "list"), "no domain")
    path = stage.lab.folder / "site.toml"
    path.write_text(sallyport("export"))
    require("nothing to change" in sallyport("apply", "--yes", path), "an export applied again")
    require(not [each for each in json.loads(stage.edge.sallyport("account", "sessions", "--json")) if each["account"] == "anna"], "a session stayed")


def test_passwords_are_asked_for_without_being_shown(stage):
    """At a terminal, twice for a new one; two that differ change nothing."""
    for typed, wanted, said in ((("seven green bottles 1", "seven green bottles 2"), 1, "not the same"),
                                (("seven green bottles 1", "seven green bottles 1"), 0, "account vera made")):
        code, shown = _at_a_terminal((stage.core.program, "--socket", stage.core.socket_path, "account", "add", "vera", "--role", "read"), typed)
        require(code == wanted and said in shown, f"{code}: {shown}")
        require("bottles" not in shown, f"the password was shown: {shown}")
    require(operator(stage).log_in("vera", "seven green bottles 1").status == 201, "vera does not come in")


def _at_a_terminal(argv, answers, patience_s=20):
    """(exit code, what the terminal showed) of a program that has it for itself and is given each answer when it asks."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(argv[0], [str(word) for word in argv])
    shown, answers = b"", list(answers)
    asked = 0
    while select.select([terminal], [], [], patience_s)[0]:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # its end
            break
        if not part:
            break
        shown += part
        while answers and shown.count(b": ") > asked:
            asked += 1
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_the_last_administrator_stays_unless_the_node_itself_says_otherwise(stage):
    anna = operator(stage, "anna")
    for method, target, body in (("DELETE", "/v1/accounts?name=anna", None), ("POST", "/v1/accounts/role", {"name": "anna", "role": "read"})):
        answer = anna.ask(method, target, body)
        require(answer.status == 403 and "the last one that administers" in answer.body, f"{answer}")
    require(anna.ask("DELETE", "/v1/accounts?name=otto").status == 200, "otto stayed")
    require(operator(stage).log_in("otto", PASSWORDS["otto"]).status == 401, "otto comes in")


def test_the_audit_log_shows_all_of_it(stage):
    entries = stage.core.ask("audit", "--limit", "1000")["entries"]
    lines = [f"{each['actor']} {re.sub(':[0-9]+$', '', each['source'])} {each['method']} {each['path']} {each['object']} {each['status']}" for each in entries]
    desk, cm = plan.DESK.host4, plan.CM.host4
    for line in ("uid 0 unix socket POST /v1/accounts name=anna, role=administer 201",
                 f"account anna {desk} POST /v1/session name=anna 201",
                 f"account anna {desk} POST /v1/domains name=tenant.example.net 201",
                 f"account rita {desk} POST /v1/domains  403",
                 f"account otto {desk} POST /v1/traversal/test  200",
                 f"account anna {desk} POST /v1/domains  403",
                 f"stranger {desk} POST /v1/apply  401",
                 f"stranger {cm} POST /v1/session name=anna 401",
                 f"stranger {cm} POST /v1/session name=anna 429",
                 f"account anna {desk} DELETE /v1/accounts name=anna 403",
                 f"account anna {desk} DELETE /v1/accounts name=otto 200"):
        require(line in lines, f"{line} is missing in\n" + "\n".join(lines))
    refused = stage.core.ask("audit", "--refused", "--actor", "account rita")["entries"]
    require(refused and all(each["status"] >= 400 for each in refused), f"{refused}")
    kept = b"".join(path.read_bytes() for folder in stage.core.paths_with_state() for path in folder.rglob("*") if path.is_file())
    for secret in (*PASSWORDS.values(), WRONG):
        require(secret.encode() not in kept, f"{secret!r} stands in store or log")
    require("account anna from" in stage.core.sallyport("logs", "--lines", "2000"), "the event log says nothing")


def test_accounts_and_audit_outlive_the_control_plane_and_sessions_do_not(stage):
    anna = operator(stage, "anna")
    newest = stage.core.ask("audit", "--limit", "1")["entries"][0]["id"]
    # By another program over exec(): the port stays open meanwhile.
    answer = anna.ask("POST", "/v1/upgrade?binary=/bin/true")
    require(answer.status == 403 and "takes no program over HTTPS" in answer.body, f"{answer}")
    stage.core.sallyport("upgrade")
    anna.close()
    require(anna.ask("GET", "/v1/status").status == 401, "the session is known to another process")
    operator(stage, "anna")
    require(stage.core.ask("audit", "--limit", "1")["entries"][0]["id"] > newest, "the audit log began anew")
    stage.witness.call.talk(0.3)
