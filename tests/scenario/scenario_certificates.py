# SPDX-License-Identifier: Apache-2.0
"""Certificates, keys and trust change again and again under calls: the next handshake shows the new one, and nothing ends."""
import json
import re
import shutil
import ssl
import time
from types import SimpleNamespace

from lab import command, plan
from lab.certificates import Authority
from lab.media_load import MediaLoad
from lab.node_config import peers_of
from lab.ocsp_responder import OcspResponder
from lab.report import require
from lab.scripted_phone import many_calls, outside_phone

CALLS = 200
PACKETS_PER_S = 50  # of each call and direction
REGISTRATIONS, LONG_REGISTRATIONS = 50, 2000
ROUNDS, LONG_ROUNDS = 5, 50
DOMAIN = "tenant.example.net"
COUNTS_LOSS = True


def setup(lab):
    lab.start_peers()
    limits = {"connections_per_source": 4000, "handshakes_per_source_per_s": 1000}
    lab.start_nodes(sip=limits)
    stage = SimpleNamespace(lab=lab, calls=many_calls(lab, CALLS), authority=lab.wallet.authority, made=0)
    count = LONG_REGISTRATIONS if lab.is_long else REGISTRATIONS
    stage.phones = [outside_phone(lab, f"r{number}").register() for number in range(count)]
    return stage


def served(lab, name=None):
    """Serial number of what E shows a client that asks for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    link = lab.spaces["home"].connect(plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT)
    with context.wrap_socket(link, server_hostname=name) as secured:
        return _serial_of(ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True)))


def _serial_of(pem):
    text = command.run("openssl", "x509", "-noout", "-serial", stdin=pem)
    return text.strip().partition("=")[2]


def _answer(stage, node, slot, *names):
    """A request is made on the node, the authority answers it, and the answer is installed. Returns its serial."""
    node.sallyport("cert", "request", slot, "--key", "ecdsa-p256")
    request = node.sallyport("cert", "requests", slot)
    stage.made += 1
    answer = stage.lab.folder / f"answer{stage.made}.pem"
    answer.write_text(stage.authority.answer(f"answer{stage.made}", request, names))
    told = node.ask("cert", "upload", slot, answer)
    require(told["effect_on_connections"].startswith("none"), f"told {told}")
    return told["serial"]


def _listed(node):
    """What does not change by the hour."""
    return [(entry["slot"], entry["serial"], entry["not_after"]) for entry in node.ask("cert", "list")]


def _connections(stage):
    """What must not change: how C came to E, and from where the phones are seen."""
    zone = peers_of(stage.lab.core.ask("zones"))[0]
    ours = {f"sip:{phone.peer.user}@{phone.peer.domain}" for phone in stage.phones}
    sources = sorted((entry["aor"], entry["source"]) for entry in stage.lab.edge.ask("registrations", "--limit", "5000") if entry["aor"] in ours)
    return (zone["state"], zone["since"], zone["connects"]), sources


def _answer_to_options(lab, name):
    """Serial number of what E shows for this name, and the status line of its answer over that connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(lab.spaces["home"].connect(plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT), server_hostname=name) as secured:
        serial = _serial_of(ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True)))
        secured.sendall(f"OPTIONS sip:{plan.EDGE_NAME} SIP/2.0\r\nVia: SIP/2.0/TLS 192.168.1.10:5061;branch=z9hG4bKdata\r\nFrom: <sip:x@{name}>;tag=1\r\nTo: <sip:{plan.EDGE_NAME}>\r\nCall-ID: data@{name}\r\n"
                        "CSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n".encode())
        return serial, secured.recv(4096).decode().partition("\r\n")[0]


def test_c02_c07_c09_a_domains_certificate_is_served_by_sni_and_the_platforms_otherwise(stage):
    edge = stage.lab.edge
    platform = served(stage.lab, plan.EDGE_NAME)
    edge.sallyport("domain", "add", DOMAIN)
    serial = _answer(stage, edge, f"domain/{DOMAIN}", DOMAIN, f"collab-edge.{DOMAIN}", f"*.{DOMAIN}")
    for name in (DOMAIN, f"collab-edge.{DOMAIN}", f"mra-host.{DOMAIN}", DOMAIN.upper()):
        require(served(stage.lab, name) == serial, f"{name} was served {served(stage.lab, name)}, not {serial}")
    for name in (None, plan.EDGE_NAME, "unknown.example", f"a.b.{DOMAIN}"):
        require(served(stage.lab, name) == platform, f"{name} was served {served(stage.lab, name)}, not the platform's")
    require(served_to_c(stage) == serial, "another listener serves another certificate")
    # C09: after the handshake application data, whichever certificate was shown.
    for name, shown in ((DOMAIN, serial), (plan.EDGE_NAME, platform)):
        found, status = _answer_to_options(stage.lab, name)
        require(found == shown and status.startswith("SIP/2.0 "), f"{name}: serial {found}, {status}")
    explained = edge.ask("cert", "explain", "--sni", f"mra-host.{DOMAIN}", "--port", plan.SIP_TLS_PORT)
    require(explained["match"] == "wildcard" and f"domain {DOMAIN} (ecdsa)" in explained["served"], f"{explained}")


def served_to_c(stage):
    """On the port of the traversal zone, where a client without certificate still sees the server's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    link = stage.lab.spaces["core"].connect(plan.EDGE_INSIDE.host4, plan.TRAVERSAL_PORT)
    with context.wrap_socket(link, server_hostname=DOMAIN) as secured:
        return _serial_of(ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True)))


def test_c13_c19_c22_c23_c27_what_the_page_of_a_domain_does(stage):
    """Create, request with its properties, show and download, upload, show, delete: each by command, and a key is never shown (C20, C21)."""
    lab, edge, name = stage.lab, stage.lab.edge, "100.example-name.com"  # C15
    slot = f"domain/{name}"
    edge.sallyport("domain", "add", name)
    edge.sallyport("cert", "request", slot, "--key", "rsa-2048", "--digest", "sha384", "--organization", "Example", "--country", "DE")
    pem, decoded = edge.sallyport("cert", "requests", slot), edge.sallyport("cert", "requests", slot, "--form", "decoded")
    require(pem.startswith("-----BEGIN CERTIFICATE REQUEST-----"), pem[:80])
    require("sha384" in decoded.lower() and "O=Example" in decoded and f"DNS:collab-edge.{name}" in decoded, decoded)
    stage.made += 1
    answer = lab.folder / f"answer{stage.made}.pem"
    answer.write_text(stage.authority.answer(f"answer{stage.made}", pem, (name, f"collab-edge.{name}")))
    serial = edge.ask("cert", "upload", slot, answer)["serial"]
    require(served(lab, name) == serial, "the uploaded certificate does not serve")
    shown = edge.sallyport("cert", "show", slot, "--form", "decoded")
    require(f"DNS:{name}" in shown and "Signature Algorithm" in shown, shown[:200])
    shown = edge.sallyport("cert", "show", slot, "--form", "pem")
    require(shown.startswith("-----BEGIN CERTIFICATE-----") and "KEY" not in shown, shown[:80])
    edge.sallyport("cert", "delete", slot, "--yes")
    require(served(lab, name) == served(lab, plan.EDGE_NAME), "without a certificate of its own the platform's serves (C07)")
    edge.sallyport("domain", "delete", name, "--yes")


def test_b29_c03_c05_c06_what_clients_find_of_a_domain_is_told_step_by_step(stage):
    edge = stage.lab.edge
    code, out, complaint = edge.try_sallyport("discovery", "test", plan.DOMAIN, "--json")
    require(code == 0, f"{out} {complaint}")
    own, domain = json.loads(out)
    steps = [(step["layer"], step["verdict"]) for step in domain["steps"]]
    require(("sips", "passed") in steps and ("collab_edge", "passed") in steps and ("address", "passed") in steps and ("sni", "passed") in steps, f"{steps}")
    require(own["passed"], f"{own}")
    code, out, _ = edge.try_sallyport("discovery", "test", "nowhere.example.org")
    require(code == 1 and "no client finds this node by the domain" in out, out)
    require("this node is C" in stage.lab.core.try_sallyport("discovery", "test")[2], "C tests what is E's")


def test_a12_b01_what_call_control_shows_is_told_before_it_is_trusted(stage):
    core = stage.lab.core
    shown = core.ask("trust", "probe", "call_control", plan.CM_NAME, "--port", "5061", "--port", "9")
    refused, probed = sorted(shown, key=lambda each: each["port"])
    require("refused" in refused["error"], f"{refused}")
    require(probed["trusted"] and probed["findings"] == [], f"the authority of the node file vouches for it: {probed}")
    told = core.ask("trust", "probe", "guests", plan.CM_NAME, "--port", "5061")[0]
    require(not told["trusted"] and "trust for guests, which is empty" in told["findings"][0], f"{told}")
    core.sallyport("trust", "add", "guests", stage.lab.wallet.authority.certificate)
    told = core.ask("trust", "probe", "guests", plan.CM_NAME, "--port", "5061")[0]
    require(told["trusted"], f"A14: after it was added {told}")
    entry = core.ask("trust", "list", "--purpose", "guests")[0]
    core.sallyport("trust", "remove", "guests", entry["fingerprint_sha256"][:16], "--yes")


def test_a10_b15_certificates_keys_and_authorities_change_under_calls_and_nothing_ends(stage):
    lab, edge, core = stage.lab, stage.lab.edge, stage.lab.core
    rounds = LONG_ROUNDS if lab.is_long else ROUNDS
    before = _connections(stage)
    with MediaLoad(lab.build, stage.calls, PACKETS_PER_S) as load:
        load.go_on(CALLS * PACKETS_PER_S)
        load.mark()
        for number in range(rounds):
            # The authority behind them: another one is trusted on both sides before the first certificate of its own.
            stage.authority = Authority(lab.folder / f"authority{number}", f"Authority {number}")
            for node in (edge, core):
                node.sallyport("trust", "add", "traversal", stage.authority.certificate)
            serial = _answer(stage, edge, "server", plan.EDGE_NAME, plan.DOMAIN)
            require(served(lab, plan.EDGE_NAME) == serial, f"round {number}: the platform's certificate is not the new one")
            serial = _answer(stage, edge, f"domain/{DOMAIN}", DOMAIN)
            require(served(lab, DOMAIN) == serial, f"round {number}: the domain's certificate is not the new one")
            _answer(stage, core, "client", plan.CORE_NAME, plan.CLUSTER_NAME)
            steps = json.loads(core.sallyport("traversal", "test", "--json"))[0]["steps"]
            failed = [step for step in steps if step["verdict"] == "failed"]
            require(not failed, f"round {number}: a handshake with the new certificates: {failed}")
            if number > 0:
                _withdraw(lab, f"Authority {number - 1}")
        load.go_on(CALLS * PACKETS_PER_S)
        tally = load.stop()
    require(tally.lost == 0, f"{tally}")
    after = _connections(stage)
    gone = sorted(set(before[1]) - set(after[1]))
    require(after == before, f"{before[0]} became {after[0]}; {len(gone)} phones are gone or came anew, such as {gone[:2]}")
    return f"{tally} while {rounds} authorities and {3 * rounds} certificates were replaced; {len(stage.phones)} connections of phones stayed"


def _withdraw(lab, subject):
    for node in (lab.edge, lab.core):
        trusted = [entry for entry in node.ask("trust", "list", "--purpose", "traversal") if subject in entry.get("subject", "")]
        require(len(trusted) == 1, f"{subject} is trusted as {trusted}")
        node.sallyport("trust", "remove", "traversal", trusted[0]["fingerprint_sha256"][:16])


def test_a15_the_preview_names_what_would_break_without_an_authority(stage):
    lab = stage.lab
    connects = peers_of(lab.core.ask("zones"))[0]["connects"]
    lab.core.sallyport("trust", "add", "traversal", lab.wallet.authority.certificate)
    # The running connection was verified by the file's authority, which has the same fingerprint.
    entry = next(entry for entry in lab.core.ask("trust", "list") if "Lab CA" in entry["subject"] and entry["source"] == "store")
    told = lab.core.sallyport("trust", "remove", "traversal", entry["fingerprint_sha256"][:12], "--dry-run")
    require(f"peer {plan.EDGE_NAME}" in told, f"told {told!r}")
    lab.core.sallyport("trust", "remove", "traversal", entry["fingerprint_sha256"][:12])
    require(peers_of(lab.core.ask("zones"))[0]["connects"] == connects, "the connection did not stay")


def _stapled(lab, name):
    """What a client sees that asks for a staple."""
    return lab.spaces["home"].run("openssl", "s_client", "-connect", f"{plan.EDGE_OUTSIDE.host4}:{plan.SIP_TLS_PORT}", "-servername", name, "-status", stdin="", check=False)


def test_what_the_authority_says_of_a_certificate_is_stapled_and_its_revocation_is_an_alarm(stage):
    lab, edge, name = stage.lab, stage.lab.edge, "stapled.example.net"
    slot, authority = f"domain/{name}", stage.lab.wallet.authority
    responder = lab.keep(OcspResponder(lab, authority))
    edge.sallyport("domain", "add", name)
    edge.sallyport("cert", "request", slot, "--key", "ecdsa-p256")
    path = lab.folder / "stapled-answer.pem"
    path.write_text(authority.answer("stapled", edge.sallyport("cert", "requests", slot), (name,), ocsp_url=responder.url))
    responder.start()
    edge.sallyport("cert", "upload", slot, path)

    def tells(state):
        def holds(listed):
            told = next(entry for entry in listed if entry["slot"] == slot)["revocation"]
            return told is not None and told["state"] == state
        return holds

    edge.wait_answer(tells("good"), "the responder's word", words=("cert", "list"))
    shown = _stapled(lab, name)
    require("OCSP Response Status: successful" in shown and "Cert Status: good" in shown, shown[-3000:])
    require("OCSP response: no response sent" in _stapled(lab, plan.EDGE_NAME), "the platform's certificate names no responder, and something was stapled to it")
    require("good, told" in edge.sallyport("cert", "explain", "--sni", name, "--port", plan.SIP_TLS_PORT), "explain does not tell")
    code, _, complaint = edge.try_sallyport("cert", "check", f"domain/{DOMAIN}")
    require(code != 0 and "names who tells" in complaint, f"{code}: {complaint}")
    authority.revoke(authority.folder / "stapled.pem", "keyCompromise")
    responder.stop()
    responder.start()
    edge.sallyport("cert", "check", slot)
    edge.wait_answer(tells("revoked"), "the revocation", words=("cert", "list"))
    require("OCSP response: no response sent" in _stapled(lab, name), "the staple outlived the revocation")
    alarm = next(alarm for alarm in edge.ask("status")["alarms"] if alarm["kind"] == "certificate_revoked")
    require(slot in alarm["text"] and "keyCompromise" in alarm["text"] and alarm["impairs"], f"{alarm}")
    require("revoked" in edge.sallyport("cert", "show", slot), "show does not tell")
    responder.stop()
    edge.sallyport("domain", "delete", name, "--yes")
    edge.wait_answer(lambda status: not [alarm for alarm in status["alarms"] if alarm["kind"] == "certificate_revoked"], "the end of the alarm")


def test_one_document_changes_domains_trust_and_acme_under_calls_and_nothing_ends(stage):
    """Issue 4, 6: export, edit, plan, apply, and back; then ten thousand domains in one document."""
    lab, edge, name = stage.lab, stage.lab.edge, "document.example.net"
    before, exported = _connections(stage), edge.sallyport("export")
    require(exported.count("domains = [\n") == 1 and "PRIVATE KEY" not in exported, exported[:500])
    authority = Authority(lab.folder / "documents", "Authority of a document")
    shutil.copy(authority.certificate, edge.folder / "document-ca.pem")
    path, former = edge.folder / "document.toml", edge.folder / "former.toml"
    former.write_text(exported)
    wanted = exported.replace("domains = [\n", f'domains = [\n  "{name}",\n') + """
[[trust]]
purpose = "traversal"
file = "document-ca.pem"

[acme]
challenge = "tls-alpn-01"

[[acme_authority]]
name = "spare"
directory_url = "https://acme.example.org/directory"
"""
    path.write_text(wanted)
    with MediaLoad(lab.build, stage.calls, PACKETS_PER_S) as load:
        load.go_on(CALLS * PACKETS_PER_S)
        load.mark()
        planned = edge.sallyport("apply", "--dry-run", path)
        for line in (f'create domain "{name}"', 'create trust "CN=Authority of a document"', "change acme: challenge: http-01 -> tls-alpn-01", 'create acme_authority "spare"'):
            require(line in planned, f"the plan lacks {line!r}:\n{planned}")
        effects = [line for line in planned.splitlines() if "effect on live users" in line]
        require(len(effects) == 4 and all("live users: none" in line for line in effects), planned)
        require(edge.sallyport("export") == exported, "a dry run changed the site")
        edge.sallyport("apply", "--yes", path)
        serial = _answer(stage, edge, f"domain/{name}", name)
        require(served(lab, name) == serial, "the domain of the document does not serve its certificate")
        path.write_text(wanted.replace('name = "spare"', "name = 5").replace(f'  "{name}",\n', ""))
        code, told, _ = edge.try_sallyport("apply", "--yes", path)
        require(code == 1 and "acme_authority.name: must be a string" in told and served(lab, name) == serial, told)
        back = edge.sallyport("apply", "--yes", former)
        require(f"its certificate {serial}" in back, f"the plan does not name the certificate that goes:\n{back}")
        require(edge.sallyport("export").partition("\n")[2] == exported.partition("\n")[2], "the export applied again did not bring the site back")
        many = "".join(f'  "d{number}.{name}",\n' for number in range(10000))
        path.write_text(exported.replace("domains = [\n", "domains = [\n" + many))
        begun = time.monotonic()
        edge.sallyport("apply", "--yes", path)
        took = time.monotonic() - begun
        require(len(edge.ask("domain", "list", "--limit", "20000")) >= 10000, "the ten thousand domains are not there")
        edge.sallyport("apply", "--yes", former)
        load.go_on(CALLS * PACKETS_PER_S)
        tally = load.stop()
    require(tally.lost == 0, f"{tally}")
    require(_connections(stage) == before, "a connection did not stay")
    return f"{tally} while documents were applied; 10,000 domains planned and applied in {took:.1f} s"


def test_both_an_rsa_and_an_ecdsa_chain_are_served_by_what_the_client_can_verify(stage):
    lab, edge = stage.lab, stage.lab.edge
    edge.sallyport("cert", "request", f"domain/{DOMAIN}", "--key", "rsa-2048")
    stage.made += 1
    path = lab.folder / f"answer{stage.made}.pem"
    path.write_text(stage.authority.answer(f"answer{stage.made}", edge.sallyport("cert", "requests", f"domain/{DOMAIN}"), (DOMAIN,)))
    rsa = edge.ask("cert", "upload", f"domain/{DOMAIN}", path)["serial"]
    held = {entry["family"]: entry["serial"] for entry in edge.ask("cert", "list") if entry["slot"] == f"domain/{DOMAIN}"}
    require(held["rsa"] == rsa and "ecdsa" in held, f"the slot holds {held}")
    for algorithms, family in (("ECDSA+SHA256", "ecdsa"), ("RSA+SHA256:RSA-PSS+SHA256", "rsa")):
        shown = lab.spaces["home"].run("openssl", "s_client", "-connect", f"{plan.EDGE_OUTSIDE.host4}:{plan.SIP_TLS_PORT}", "-servername", DOMAIN, "-sigalgs", algorithms,
                                       stdin="", check=False)
        serial = _serial_of(re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", shown, re.S).group(0))
        require(serial == held[family], f"with {algorithms} it was {serial} of {held}")


def test_bad_uploads_are_refused_with_file_cause_and_remedy_and_lose_nothing(stage):
    lab, edge = stage.lab, stage.lab.edge
    serial = served(lab, DOMAIN)
    stranger = lab.wallet.authority.issue("stranger", "other.example.com", names=("other.example.com",))
    truncated = lab.folder / "truncated.pem"
    truncated.write_text(stranger.certificate.read_text()[:300])
    for words, expected in (((truncated,), "truncated.pem: certificate 1"),
                            ((stranger.certificate, "--key", stranger.key), f"has no name in {DOMAIN}"),
                            ((stranger.certificate,), "no matching private key"),
                            ((lab.folder / "nowhere.pem",), "cannot be read")):
        code, _, complaint = edge.try_sallyport("cert", "upload", f"domain/{DOMAIN}", *words)
        require(code in (1, 4) and expected in complaint, f"ended with {code}: {complaint}")
    code, _, complaint = edge.try_sallyport("cert", "upload", "domain/nobody.example", stranger.certificate)
    require("does not exist" in complaint and "sallyport domain add" in complaint, complaint)
    require(served(lab, DOMAIN) == serial, "a refused upload changed what is served")


def test_certificates_outlive_the_control_plane(stage):
    lab, edge = stage.lab, stage.lab.edge
    listed = _listed(edge)
    serial = served(lab, DOMAIN)
    edge.kill_controlplane()
    edge.start_controlplane()
    edge.wait_ready()
    require(_listed(edge) == listed, f"{listed} became {_listed(edge)}")
    require(served(lab, DOMAIN) == serial, "after the restart another certificate is served")
    code, out, _ = edge.try_sallyport("cert", "show", "server", "--form", "pem")
    require(code == 0 and "PRIVATE KEY" not in out and out.startswith("-----BEGIN CERTIFICATE"), out[:100])


def test_b14_b25_b28_b34_b35_what_c_is_told_e_knows_it_needs(stage):
    """A chat node alias and a registration domain are set on C; E's alarm and its next request name them."""
    lab = stage.lab
    document = lab.core.site_path.read_text()
    wanted = ("chat1.example.com", "collab-edge.users.example.com")
    lab.core.site_path.write_text(document + '\n[unified_communications]\nfederation = true\nchat_node_aliases = ["chat1.example.com"]\n'
                                  'registration_domains = ["users.example.com"]\n')
    edge_document = lab.edge.site_path.read_text()
    lab.edge.site_path.write_text(edge_document + "\n[unified_communications]\nfederation = true\n")
    for node in (lab.core, lab.edge):
        node.sallyport("apply", "--yes", node.site_path)

    def tells_drift(status):
        return any(alarm["kind"] == "certificate_drift" and all(name in alarm["text"] for name in wanted) for alarm in status["alarms"])

    lab.edge.wait_answer(tells_drift, f"an alarm that names {wanted}")
    preview = lab.edge.sallyport("cert", "request", "server", "--preview")
    require(all(f"DNS:{name}" in preview for name in wanted), preview)
    serial = _answer(stage, lab.edge, "server", plan.EDGE_NAME, plan.DOMAIN, *wanted)
    require(served(lab, plan.EDGE_NAME) == serial, "the renewed certificate is not served")
    lab.edge.wait_answer(lambda status: not tells_drift(status), "the end of the alarm")
    for node, before in ((lab.core, document), (lab.edge, edge_document)):
        node.site_path.write_text(before)
        node.sallyport("apply", "--yes", node.site_path)


def test_b27_a_name_that_no_certificate_covers_raises_an_alarm_with_how_often(stage):
    lab = stage.lab
    for name in (f"a.b.{DOMAIN}", f"a.b.{DOMAIN}", "stranger.example.org"):
        served(lab, name)
    alarm = next(alarm for alarm in lab.edge.ask("status")["alarms"] if alarm["kind"] == "certificate_uncovered_name")
    require(f"a.b.{DOMAIN} (" in alarm["text"] and "stranger" not in alarm["text"], f"told {alarm}")
    require(not alarm["impairs"], f"told {alarm}")


def test_c08_a_client_that_refuses_the_certificate_is_told_with_its_address_and_alert(stage):
    edge, home = stage.lab.edge, stage.lab.spaces["home"]
    context = ssl.create_default_context()  # the authorities of this machine; ours is none of them
    for name in (f"mra.{DOMAIN}", f"MRA.{DOMAIN}"):
        link = home.connect(plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT)
        try:
            context.wrap_socket(link, server_hostname=name)
            require(False, "a certificate of an unknown authority was accepted")
        except ssl.SSLCertVerificationError:
            link.close()

    def counts(told):
        return any(each["name"] == f"mra.{DOMAIN}" and each["times"] == 2 for each in told)

    told = edge.wait_answer(counts, "the two refusals", 10, ("cert", "refusals"))
    entry = next(each for each in told if each["name"] == f"mra.{DOMAIN}")
    require(entry["alert"] in (46, 48) and entry["source"].startswith(plan.HOME_ROUTER_WAN.host4 + ":") and entry["sources"] == 1, f"told {entry}")
    require(not [alarm for alarm in edge.ask("status")["alarms"] if alarm["kind"] == "certificate_refused"], "one address alone raised an alarm")


def test_a_backup_restores_an_empty_node(stage):
    """E loses its state folder; from the backup it comes back with zone, certificates and keys, and C connects as before."""
    lab, edge = stage.lab, stage.lab.edge
    listed, serial = _listed(edge), served(lab, DOMAIN)
    backup, passphrase = lab.folder / "edge.backup", lab.folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    edge.sallyport("backup", backup, "--passphrase-file", passphrase)
    edge.kill_controlplane()
    store = edge.folder / "store"
    shutil.rmtree(store)
    code, _, complaint = edge.try_sallyport("restore", backup, "--passphrase-file", "/etc/hostname", "--state-dir", store)
    require(code == 1 and "does not open" in complaint and not (store / "site.db").exists(), f"{code}: {complaint}")
    edge.sallyport("restore", backup, "--passphrase-file", passphrase, "--state-dir", store)
    edge.start_controlplane()
    edge.wait_ready()
    require(_listed(edge) == listed, f"{listed} became {_listed(edge)}")
    require(served(lab, DOMAIN) == serial, "another certificate is served")
    lab.await_traversal(45)
