# SPDX-License-Identifier: Apache-2.0
"""Phones get their certificates by an activation code (B37): curl as an EST client at home, with a certificate of the phone's maker."""
import ssl
from types import SimpleNamespace

from lab import command, plan
from lab.certificates import Authority
from lab.report import require

PHONE, OTHER = "SEP001122334455", "SEP001122334466"
PORT = 8444
EST = "/.well-known/est"


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    maker = Authority(lab.folder / "maker", "Phone maker CA")
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, home=lab.spaces["home"], maker=maker, phone=maker.issue(PHONE, PHONE), made=0,
                           stranger=Authority(lab.folder / "stranger", "Nobody's CA").issue(PHONE, PHONE))


def _is_open(stage):
    try:
        stage.home.connect(plan.EDGE_OUTSIDE.host4, PORT).close()
        return True
    except OSError:
        return False


def _ask(stage, operation, *words, credential=None):
    """Status and body of an answer; status 0: there was no HTTP, body is what curl says of it."""
    body = stage.lab.folder / "answer"
    body.write_bytes(b"")
    shown = ["--cert", credential.certificate, "--key", credential.key] if credential else []
    done = stage.home.run("curl", "-s", "-S", "--max-time", "20", "--resolve", f"{plan.EDGE_NAME}:{PORT}:{plan.EDGE_OUTSIDE.host4}", "--cacert", stage.lab.wallet.authority.certificate, *shown,
                          "-o", body, "-w", "%{http_code}", *words, f"https://{plan.EDGE_NAME}:{PORT}{EST}/{operation}", check=False)
    return int(done.partition("\n")[0] or "0"), body.read_text()


def _key_and_request(stage, name):
    stage.made += 1
    key, request = stage.lab.folder / f"phone-{stage.made}.key", stage.lab.folder / f"phone-{stage.made}.csr"
    command.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    encoded = request.with_suffix(".b64")
    encoded.write_text("\n".join(line for line in request.read_text().splitlines() if not line.startswith("-----")) + "\n")
    return key, encoded


def _enrol(stage, name, code, credential=None, operation="simpleenroll"):
    """Status, body, and the key that the request was for."""
    key, request = _key_and_request(stage, name)
    login = ["-u", f"{name}:{code}"] if code is not None else []
    status, body = _ask(stage, operation, *login, "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{request}", credential=credential or stage.phone)
    return status, body, key


def _certificates_in(body):
    return command.run("openssl", "pkcs7", "-inform", "PEM", "-print_certs", stdin=f"-----BEGIN PKCS7-----\n{body}-----END PKCS7-----\n")


def _kept(stage, name, body, key):
    path = stage.lab.folder / f"{name}-{stage.made}.pem"
    path.write_text(_certificates_in(body))
    return SimpleNamespace(certificate=path, key=key)


def _code(stage, name):
    return stage.core.ask("onboarding", "code", name)["code"]


def test_b37_nothing_is_open_until_it_is_switched_on_and_then_the_authority_is_there(stage):
    require(not _is_open(stage), "the port is open though onboarding was never switched on")
    require(stage.core.ask("onboarding")["authorities"] == [], "there is an authority already")
    code, _, complaint = stage.core.try_sallyport("onboarding", "code", PHONE)
    require(code == 1 and "switched off" in complaint and "sallyport onboarding on" in complaint, complaint)
    stage.core.sallyport("onboarding", "on")
    told = stage.edge.wait_answer(lambda answer: answer["on"] and answer["listener"], "E opens its port", words=("onboarding",))
    require(_is_open(stage), "the port is closed")
    made = stage.core.ask("onboarding")["authorities"]
    require([each["fingerprint_sha256"] for each in told["authorities"]] == [each["fingerprint_sha256"] for each in made], f"E knows {told}, C has {made}")
    require(told["authorities"][0]["node"] == plan.CORE_NAME and "Sallyport onboarding" in told["authorities"][0]["subject"], f"{told}")
    require("BEGIN CERTIFICATE" in stage.edge.sallyport("onboarding", "authority"), "E's page does not show it")
    require("activation_code_onboarding = true" in stage.core.sallyport("export"), "the site document does not tell it")
    code, _, complaint = stage.edge.try_sallyport("onboarding", "on")
    require(code == 1 and "C's" in complaint, complaint)


def test_b37_a_phone_without_a_certificate_is_refused_in_the_handshake(stage):
    with stage.edge.counting("sallyport_tls_handshake_failures_total", listener="onboarding", reason="no_certificate"):
        status, _ = _ask(stage, "cacerts")
    require(status == 0, f"it was answered with {status}")


def test_a13_only_phones_of_a_trusted_maker_come_in(stage):
    with stage.edge.counting("sallyport_tls_handshake_failures_total", listener="onboarding", reason="untrusted_issuer"):
        status, _ = _ask(stage, "cacerts", credential=stage.phone)
    require(status == 0, f"a maker that nobody trusts was answered with {status}")
    stage.edge.sallyport("trust", "add", "endpoints", stage.maker.certificate)
    status, body = _ask(stage, "cacerts", credential=stage.phone)
    require(status == 200, f"{status}: {body}")
    require("Sallyport onboarding" in _certificates_in(body), body)
    status, _ = _ask(stage, "cacerts", credential=stage.stranger)
    require(status == 0, "a phone of another maker came in")


def test_nothing_else_is_served(stage):
    for target in ("../../v1/status", "../../", "simpleenroll/x", "serverkeygen"):
        status, body = _ask(stage, target, "--path-as-is", credential=stage.phone)
        require(status in (400, 404) and "/.well-known/est" in body, f"{target}: {status} {body}")
    status, body = _ask(stage, "cacerts", "-X", "POST", "-d", "", credential=stage.phone)
    require(status == 405, f"{status} {body}")


def test_b37_a_code_brings_one_certificate_and_no_second(stage):
    code = _code(stage, PHONE)
    status, body, _ = _enrol(stage, PHONE, None)
    require(status == 401, f"without a code: {status} {body}")
    status, body, _ = _enrol(stage, PHONE, "0000-0000-0000-0000")
    require(status == 403 and "no such activation code" in body and "sallyport onboarding code" in body, f"{status} {body}")
    require(stage.core.ask("onboarding")["codes"][0]["failures"] == 1, "the wrong try is not counted")
    status, body, key = _enrol(stage, PHONE, code)
    require(status == 200, f"{status} {body}")
    stage.issued = _kept(stage, PHONE, body, key)
    text = command.run("openssl", "x509", "-noout", "-text", "-in", stage.issued.certificate)
    require(f"CN = {PHONE}" in text and "TLS Web Client Authentication" in text and "TLS Web Server Authentication" not in text and "CA:FALSE" in text, text)
    authority = stage.lab.folder / "onboarding-ca.pem"
    authority.write_text(stage.core.sallyport("onboarding", "authority"))
    command.run("openssl", "verify", "-CAfile", authority, stage.issued.certificate)
    status, body, _ = _enrol(stage, PHONE, code)
    require(status == 403, f"the code was taken twice: {status} {body}")
    device = next(each for each in stage.core.ask("onboarding")["devices"] if each["device"] == PHONE)
    require(device["state"] == "valid", f"{device}")
    for node in (stage.edge, stage.core):
        require(node.counter("sallyport_onboarding_requests_total", outcome="enrolled") == 1, f"{node} counts otherwise")


def test_a_phone_renews_with_what_it_was_given_and_with_nothing_else(stage):
    status, body, _ = _enrol(stage, PHONE, None, operation="simplereenroll")
    require(status == 403 and "was not given" in body, f"by the maker's certificate: {status} {body}")
    status, body, key = _enrol(stage, PHONE, None, credential=stage.issued, operation="simplereenroll")
    require(status == 200, f"{status} {body}")
    renewed = _kept(stage, PHONE, body, key)
    require(command.run("openssl", "x509", "-noout", "-serial", "-in", renewed.certificate) != command.run("openssl", "x509", "-noout", "-serial", "-in", stage.issued.certificate), "it is the same one")
    stage.core.sallyport("onboarding", "withdraw", PHONE, "--yes")
    status, body, _ = _enrol(stage, PHONE, None, credential=renewed, operation="simplereenroll")
    require(status == 403 and "withdrawn" in body, f"{status} {body}")


def test_ten_wrong_tries_use_a_code_up(stage):
    code = _code(stage, OTHER)
    for _ in range(10):
        status, _, _ = _enrol(stage, OTHER, "1111-2222-3333-4444")
        require(status == 403, f"{status}")
    status, body, _ = _enrol(stage, OTHER, code)
    require(status == 403, f"the right one after ten wrong ones: {status} {body}")
    require(OTHER not in [each["device"] for each in stage.core.ask("onboarding")["codes"]], "it is listed still")
    require("after 10 wrong ones" in stage.core.sallyport("history"), "nobody is told")


def test_a_body_that_is_no_request_is_refused_in_words(stage):
    code = _code(stage, OTHER)
    for words, status_wanted in ((("-H", "Content-Type: application/pkcs10", "-d", "AAAA"), 400), (("-H", "Content-Type: text/plain", "-d", "AAAA"), 415), (("-H", "Content-Type: application/pkcs10", "-d", "A" * 20000), 400)):
        status, body = _ask(stage, "simpleenroll", "-u", f"{OTHER}:{code}", *words, credential=stage.phone)
        require(status == status_wanted and ";" in body, f"{words[:2]}: {status} {body}")
    require(stage.core.ask("onboarding")["codes"][0]["failures"] == 0, "a body that is wrong counts as a wrong code")


def test_while_c_is_away_phones_are_told_and_then_served_again(stage):
    stage.core.kill_controlplane()
    stage.edge.wait_answer(lambda zones: all(not peer["multiplex"].startswith("active") for zone in zones for peer in zone["peers"]), "E misses C", words=("zones",))
    status, body, _ = _enrol(stage, OTHER, "1111-2222-3333-4444")
    require(status == 503 and "no C" in body, f"{status} {body}")
    stage.core.start_controlplane()
    stage.core.wait_ready()
    stage.edge.wait_answer(lambda zones: any(peer["multiplex"].startswith("active") for zone in zones for peer in zone["peers"]), "C is back", words=("zones",))
    status, body, _ = _enrol(stage, OTHER, _code(stage, OTHER))
    require(status == 200, f"{status} {body}")


def test_the_listener_shows_the_nodes_certificate_and_is_explained(stage):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(stage.lab.wallet.authority.certificate)
    context.load_cert_chain(stage.phone.certificate, stage.phone.key)
    with context.wrap_socket(stage.home.connect(plan.EDGE_OUTSIDE.host4, PORT), server_hostname=plan.EDGE_NAME) as secured:
        require(secured.version() == "TLSv1.3", secured.version())
    require("onboarding" in stage.edge.sallyport("cert", "explain", "--sni", plan.EDGE_NAME, "--port", str(PORT)), "cert explain does not know the port")


def test_switched_off_the_port_closes_and_certificates_stay(stage):
    stage.core.sallyport("onboarding", "off")
    stage.edge.wait_answer(lambda answer: not answer["on"], "E closes its port", words=("onboarding",))
    require(not _is_open(stage), "the port is open still")
    devices = stage.core.ask("onboarding")["devices"]
    require({each["device"]: each["state"] for each in devices} == {PHONE: "withdrawn", OTHER: "valid"}, f"{devices}")
    stage.core.sallyport("onboarding", "on")
    stage.edge.wait_answer(lambda answer: answer["on"], "E opens it again", words=("onboarding",))
    require(len(stage.core.ask("onboarding")["authorities"]) == 1, "another authority was made")
