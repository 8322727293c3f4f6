# SPDX-License-Identifier: Apache-2.0
"""An authority on the Internet issues certificates of domains by itself; E proves the names, and nothing ends when one is replaced."""
import ssl
from types import SimpleNamespace

from lab import command, plan
from lab.dynamic_zone import KEY_NAME, SECRET, DynamicZone
from lab.media_load import MediaLoad
from lab.name_server import PUBLIC_ZONE, NameServer
from lab.node_config import peers_of
from lab.pebble import PORT, URL, Pebble
from lab.report import require
from lab.scripted_phone import many_calls, outside_phone

CALLS, LONG_CALLS, PACKETS_PER_S = 50, 200, 50
LONG_REGISTRATIONS = 2000
SLOT = f"domain/{plan.TENANT_DOMAIN}"
NAMES = (plan.TENANT_DOMAIN, f"collab-edge.{plan.TENANT_DOMAIN}")
RENEWALS, LONG_RENEWALS = 3, 50
COUNTS_LOSS = True


def setup(lab):
    lab.start_peers()
    # E takes clients over IPv4 here, and an authority asks at an address of IPv6 first if the name has one.
    lab.public_dns.stop()
    lab.public_dns = lab.keep(NameServer(lab.spaces["internet"], PUBLIC_ZONE.replace(f",{plan.EDGE_OUTSIDE.host6}", ""), lab.folder, "dns-public-ipv4"))
    lab.public_dns.start()
    lab.start_nodes(sip={"connections_per_source": 4000, "handshakes_per_source_per_s": 1000})
    stage = SimpleNamespace(lab=lab, edge=lab.edge, pebble=lab.keep(Pebble(lab)))
    stage.pebble.start()
    stage.calls = many_calls(lab, LONG_CALLS if lab.is_long else CALLS)
    stage.phones = [outside_phone(lab, f"r{number}").register() for number in range(LONG_REGISTRATIONS if lab.is_long else 0)]
    return stage


def served(lab, name):
    """(serial, issuer) of what E shows a client that asks for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    link = lab.spaces["home"].connect(plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT)
    with context.wrap_socket(link, server_hostname=name) as secured:
        pem = ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True))
    lines = command.run("openssl", "x509", "-noout", "-serial", "-issuer", stdin=pem).splitlines()
    return tuple(line.partition("=")[2].strip() for line in lines)


def is_open(lab, port):
    try:
        lab.spaces["internet"].connect(plan.EDGE_OUTSIDE.host4, port, timeout_s=2).close()
        return True
    except OSError:
        return False


def _trusted(lab):
    return "--agree-to-terms", "--ca-file", lab.wallet.authority.certificate


def _slot(status, slot):
    return next((entry for entry in status["slots"] if entry["slot"] == slot), None)


def _await(stage, slot, holds, what):
    answer = stage.edge.wait_answer(lambda status: (entry := _slot(status, slot)) is not None and holds(entry), what, timeout_s=60, words=("acme", "status"))
    return _slot(answer, slot)


def _serials(stage, slot=SLOT):
    return {entry["serial"] for entry in stage.edge.ask("cert", "list") if entry["slot"] == slot}


def _renew(stage, slot=SLOT, name=plan.TENANT_DOMAIN):
    """Ordered now; returns the serial that serves from then on."""
    before = _serials(stage, slot)
    stage.edge.sallyport("acme", "renew", slot)
    stage.edge.wait_answer(lambda listed: {entry["serial"] for entry in listed if entry["slot"] == slot} - before, "another certificate", timeout_s=60, words=("cert", "list"))
    return served(stage.lab, name)[0]


def test_c28_a_domain_gets_its_certificate_by_http_01_and_port_80_is_shut_again(stage):
    lab, edge = stage.lab, stage.edge
    platform = served(lab, plan.TENANT_DOMAIN)
    require(not is_open(lab, 80), "port 80 is open without a challenge")
    edge.sallyport("domain", "add", plan.TENANT_DOMAIN)
    require("off" in edge.sallyport("domain", "list"), "the domain list has no ACME column")
    # Who does not agree to its terms gets no account, and is told what they are.
    edge.sallyport("acme", "authority", "add", "pebble", URL, "--ca-file", lab.wallet.authority.certificate)
    edge.sallyport("acme", "on", SLOT)
    entry = _await(stage, SLOT, lambda entry: entry["state"] == "failed", "a refusal")
    require("agrees to its terms" in entry["text"] and "--agree-to-terms" in entry["text"], f"told {entry}")
    edge.sallyport("acme", "authority", "add", "pebble", URL, *_trusted(lab), "--contact", "mailto:admin@example.com")
    entry = _await(stage, SLOT, lambda entry: entry["state"] == "deployed", "a certificate by ACME")
    require(entry["authority"] == "pebble" and entry["text"].startswith("valid until"), f"told {entry}")
    for name in NAMES:
        serial, issuer = served(lab, name)
        require("Pebble" in issuer and serial != platform[0], f"{name} is served {serial} of {issuer}")
    require(not is_open(lab, 80), "port 80 stayed open")
    listed = next(entry for entry in edge.ask("domain", "list") if entry["name"] == plan.TENANT_DOMAIN)
    require(listed["acme"].startswith("valid until"), f"C29: the list tells {listed}")


def test_certificates_are_renewed_under_calls_and_nothing_ends(stage):
    lab = stage.lab
    renewals = LONG_RENEWALS if lab.is_long else RENEWALS
    # The platform's certificate too: it serves everybody who asks for no name of a domain.
    lab.edge.sallyport("acme", "on", "server")
    _await(stage, "server", lambda entry: entry["state"] == "deployed", "the platform's certificate")
    before = _what_must_stay(stage)
    with MediaLoad(lab.build, stage.calls, PACKETS_PER_S) as load:
        load.go_on(CALLS * PACKETS_PER_S)
        load.mark()
        serials = [_renew(stage, *slot) for _ in range(renewals) for slot in ((), ("server", plan.EDGE_NAME))]
        load.go_on(CALLS * PACKETS_PER_S)
        tally = load.stop()
    require(len(set(serials)) == 2 * renewals, f"served {serials}")
    require(tally.lost == 0, f"{tally}")
    after = _what_must_stay(stage)
    require(after == before, f"{before[0]} became {after[0]}; {len(set(before[1]) - set(after[1]))} phones are gone or came anew")
    # C trusts another authority for the link, and comes anew in what follows.
    lab.edge.sallyport("acme", "off", "server")
    lab.edge.sallyport("cert", "delete", "server", "--yes")
    return f"{tally} while {2 * renewals} certificates came by ACME; {len(stage.phones)} connections of phones stayed"


def _what_must_stay(stage):
    """How C came to E, and from where phones are seen."""
    zone = [(peer["state"], peer["since"], peer["connects"]) for peer in peers_of(stage.lab.core.ask("zones"))]
    ours = {f"sip:{phone.peer.user}@{phone.peer.domain}" for phone in stage.phones}
    return zone, sorted((entry["aor"], entry["source"]) for entry in stage.edge.ask("registrations", "--limit", "5000") if entry["aor"] in ours)


def test_tls_alpn_01_proves_the_names_on_port_443(stage):
    stage.edge.sallyport("acme", "set", "challenge", "tls-alpn-01")
    serial = _renew(stage)
    require("Pebble" in served(stage.lab, plan.TENANT_DOMAIN)[1], f"serial {serial} is not the authority's")
    require(not is_open(stage.lab, 443), "port 443 stayed open")
    stage.edge.sallyport("acme", "set", "challenge", "http-01")


def test_dns_01_proves_names_that_lead_elsewhere_by_signed_updates(stage):
    lab, edge = stage.lab, stage.edge
    zone = lab.keep(DynamicZone(lab))
    zone.start()
    slot, secret = f"domain/{plan.DYNAMIC_DOMAIN}", lab.folder / "tsig"
    secret.write_text("d3Jvbmcga2V5LCB3cm9uZyBrZXksIHdyb25nIGtleSE=\n")
    for name, value in (("challenge", "dns-01"), ("dns_server", zone.address), ("dns_check_servers", zone.address), ("dns_key_name", KEY_NAME), ("dns_key", secret)):
        edge.sallyport("acme", "set", name, value)
    edge.sallyport("domain", "add", plan.DYNAMIC_DOMAIN)
    edge.sallyport("acme", "on", slot)
    entry = _await(stage, slot, lambda entry: entry["state"] == "failed", "a refusal by the name server")
    require("BADSIG" in entry["text"], f"told {entry}")
    secret.write_text(SECRET + "\n")
    edge.sallyport("acme", "set", "dns_key", secret)
    _await(stage, slot, lambda entry: entry["state"] == "deployed", "a certificate by dns-01")
    require("Pebble" in served(lab, plan.DYNAMIC_DOMAIN)[1], f"served {served(lab, plan.DYNAMIC_DOMAIN)}")
    added, removed = ([line for line in zone.updates() if word in line] for word in ("adding an RR", "deleting an RR"))
    require(len(added) == len(removed) == 2, f"{added} and {removed}: what is added must go")
    require(SECRET not in edge.sallyport("acme", "status", "--json") + edge.sallyport("history"), "the secret is shown")
    edge.sallyport("acme", "off", slot)
    edge.sallyport("acme", "set", "challenge", "http-01")


def test_the_account_gets_a_new_key_and_stays_the_account(stage):
    account = stage.edge.ask("acme", "status")["authorities"][0]["account_url"]
    require(account.startswith("https://"), f"the account is {account!r}")
    stage.edge.sallyport("acme", "authority", "rekey", "pebble")
    _renew(stage)
    require(stage.edge.ask("acme", "status")["authorities"][0]["account_url"] == account, "it became another account")


def test_what_the_authority_refuses_is_told_in_its_words_and_the_old_certificate_serves(stage):
    """The names of this domain lead to another host, so its validation must fail."""
    lab, edge = stage.lab, stage.edge
    platform = served(lab, plan.STRAY_DOMAIN)
    edge.sallyport("domain", "add", plan.STRAY_DOMAIN)
    edge.sallyport("acme", "on", f"domain/{plan.STRAY_DOMAIN}")
    entry = _await(stage, f"domain/{plan.STRAY_DOMAIN}", lambda entry: entry["state"] == "failed", "a failure")
    require(plan.STRAY_DOMAIN in entry["text"] and "next attempt" in entry["text"] and entry["next_attempt"], f"told {entry}")
    alarm = next(alarm for alarm in edge.ask("status")["alarms"] if alarm["kind"] == "acme_failed")
    require(plan.STRAY_DOMAIN in alarm["text"] and not alarm["impairs"], f"told {alarm}")
    require(served(lab, plan.STRAY_DOMAIN) == platform, "another certificate is served")
    edge.sallyport("acme", "off", f"domain/{plan.STRAY_DOMAIN}")
    require(not [alarm for alarm in edge.ask("status")["alarms"] if alarm["kind"] == "acme_failed"], "the alarm stays")


def test_the_next_authority_is_asked_when_the_first_is_down(stage):
    lab, edge = stage.lab, stage.edge
    edge.sallyport("acme", "authority", "delete", "pebble")
    edge.sallyport("acme", "authority", "add", "dead", f"https://{plan.ACME_NAME}:{PORT + 1}/dir", *_trusted(lab))
    edge.sallyport("acme", "authority", "add", "second", URL, *_trusted(lab))
    _renew(stage)
    entry = _await(stage, SLOT, lambda entry: entry["state"] == "deployed" and entry["authority"] == "second", "the second authority")
    require(entry["failures"] == 0, f"told {entry}")


def test_account_and_schedule_outlive_the_control_plane(stage):
    edge = stage.edge
    before = edge.ask("acme", "status")
    edge.kill_controlplane()
    edge.start_controlplane()
    edge.wait_ready()
    after = edge.ask("acme", "status")
    require(after["authorities"] == before["authorities"] and after["authorities"][1]["account_url"], f"{before} became {after}")
    require(_slot(after, SLOT)["state"] == "deployed", f"told {after}")
    code, out, err = edge.try_sallyport("acme", "authority", "add", "plain", "http://acme.example/dir")
    require(code == 1 and "no https URL" in err, f"{code}: {err}")


def test_c30_on_c_only_dns_proves_names(stage):
    core = stage.lab.core
    core.sallyport("acme", "authority", "add", "pebble", URL, *_trusted(stage.lab))
    code, _, complaint = core.try_sallyport("acme", "on", "server")
    require(code == 1 and "works on E only" in complaint and "dns-01" in complaint, f"{code}: {complaint}")
