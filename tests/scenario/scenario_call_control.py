# SPDX-License-Identifier: Apache-2.0
"""Towards call control: each transport, each registrar mode, and two nodes of which one dies."""
from types import SimpleNamespace
from urllib.parse import unquote_plus

from lab import command, plan
from lab.report import require
from lab.scripted_phone import ScriptedCall, inside_phone, outside_phone


def setup(lab):
    lab.start_peers()
    lab.start_nodes(cm_transport="tcp")
    return SimpleNamespace(lab=lab)


def _await_state(lab, **wanted):
    """Waits until C sees the call control nodes, by name, in these states; returns its status."""
    def holds(status):
        return {each["name"]: each["state"] for each in status["call_control"]} == wanted

    return lab.core.wait_answer(holds, f"call control {wanted}", 20)


def _restart_core(stage, **variations):
    stage.lab.replace_core(**variations)
    stage.lab.await_traversal(30)


def _calls_both_ways(stage, registrar=plan.CM, registrations=1):
    """Fresh phones, so that each binding is made in the mode under test. Returns the outside user."""
    number = stage.lab.next_number()
    outside = outside_phone(stage.lab, f"o{number}")
    for _ in range(registrations):
        outside.register()
    inside = inside_phone(stage.lab, f"i{number}", registrar).register()
    for caller, callee in ((outside, inside), (inside, outside)):
        call = ScriptedCall.connect(caller, callee)
        call.talk(0.2)
        call.end(by_callee=True)
    user = outside.peer.user
    outside.close()
    inside.close()
    return user


def test_over_tcp(stage):
    _await_state(stage.lab, cm1="up")
    _calls_both_ways(stage)


def test_over_tls_with_certificates_checked_both_ways(stage):
    """What Kamailio opens to C comes over TLS too, on the port after that of UDP and TCP."""
    _restart_core(stage, cm_transport="tls")
    _await_state(stage.lab, cm1="up")
    user = _calls_both_ways(stage)
    path = stage.lab.call_control.contacts(user)[0]["Path"]
    require(f"{plan.CORE.host4}:5061;transport=tls" in path, f"Kamailio reaches A by {path}")


def test_b22_call_control_that_demands_the_name_of_a_phones_profile_finds_it(stage):
    """C asks for a certificate with the profile's name by itself (B16); call control verifies C over TLS when a phone with that profile registers."""
    lab, core, profile = stage.lab, stage.lab.core, "jabbersecure.example.com"
    site = lab.folder / "profile.toml"
    site.write_text(core.sallyport("export") + f'\n[[phone_profile]]\nname = "{profile}"\nencrypted = true\noauth = false\n')
    core.sallyport("apply", site, "--yes")
    core.sallyport("cert", "request", "server", "--key", "ecdsa-p256")
    request = core.sallyport("cert", "requests", "server")
    require(f"DNS:{profile}" in command.run("openssl", "req", "-noout", "-text", stdin=request), "the request lacks the profile's name")
    answer = lab.folder / "profile-answer.pem"
    answer.write_text(lab.wallet.authority.answer("profile-answer", request, (plan.CORE_NAME, plan.CLUSTER_NAME, profile)))
    serial = core.ask("cert", "upload", "server", answer)["serial"]
    lab.call_control.stop()
    lab.call_control.demands_certificates = True
    lab.call_control.start()
    _await_state(lab, cm1="up")
    _calls_both_ways(stage)
    shown = [line.partition("shown ")[2] for line in lab.call_control.log().splitlines() if "shown " in line]
    require(shown, "no REGISTER came over TLS with a certificate")
    certificate = lab.folder / "shown.pem"
    certificate.write_text(unquote_plus(shown[-1].split()[0]))
    require(command.run("openssl", "x509", "-noout", "-serial", "-in", certificate).strip() == f"serial={serial}", "another certificate was shown")
    command.run("openssl", "verify", "-CAfile", lab.wallet.authority.certificate, "-purpose", "sslclient", "-verify_hostname", profile, certificate)
    lab.call_control.stop()
    lab.call_control.demands_certificates = False
    lab.call_control.start()


def test_a_registrar_without_path_is_served_by_contact(stage):
    stage.lab.call_control.stop()
    stage.lab.call_control.keeps_path = False
    stage.lab.call_control.start()
    _restart_core(stage, registrar_mode="contact")
    _await_state(stage.lab, cm1="up")
    user = _calls_both_ways(stage)
    contact = stage.lab.call_control.contacts(user)[0]
    require(plan.CORE.host4 in contact["Address"], f"the binding does not lead to C: {contact}")


def test_the_mode_is_learnt_from_the_200(stage):
    """Its first 200 tells that the registrar keeps no Path; from the next REGISTER on it is `contact`."""
    _restart_core(stage, registrar_mode="auto")
    _await_state(stage.lab, cm1="up")
    _calls_both_ways(stage, registrations=2)
    mode = stage.lab.core.ask("status")["call_control"][0]["registrar_mode"]
    require(mode == "contact", f"C says the mode is {mode}")


def test_two_nodes_are_probed_and_the_second_takes_over(stage):
    lab = stage.lab
    lab.call_control.stop()
    lab.call_control.keeps_path = True
    lab.call_control.start()
    lab.start_second_call_control()
    _restart_core(stage, cm_nodes=(plan.CM_NAME, plan.CM2_NAME), options_interval_s=1)
    _await_state(lab, cm1="up", cm2="up")
    user = _calls_both_ways(stage)
    require(not lab.second_call_control.contacts(user), "the second node was asked while the first was up")
    caught = outside_phone(lab, f"o{lab.next_number()}")
    lab.call_control.stop()
    caught.register()  # its first request reaches nobody; it gets its answer from the second node
    caught.close()
    status = _await_state(lab, cm1="down", cm2="up")
    reasons = {each["name"]: each["reason"] for each in status["call_control"]}
    require("OPTIONS" in reasons["cm1"], f"cm1 is down because {reasons['cm1']!r}")
    require("call_control_down" in [alarm["kind"] for alarm in status["alarms"]], "no alarm")
    _calls_both_ways(stage, plan.CM2)


def test_the_first_node_serves_again_when_it_is_back(stage):
    lab = stage.lab
    lab.call_control.start()
    status = _await_state(lab, cm1="up", cm2="up")
    require(not status["alarms"], f"alarms are left: {status['alarms']}")
    user = _calls_both_ways(stage)
    require(not lab.second_call_control.contacts(user), "the second node was asked while the first was up")


def test_a_connection_that_breaks_moves_the_next_request_at_once(stage):
    lab = stage.lab
    _restart_core(stage, cm_transport="tcp", cm_nodes=(plan.CM_NAME, plan.CM2_NAME))
    _await_state(lab, cm1="up", cm2="up")
    lab.call_control.stop()
    _calls_both_ways(stage, plan.CM2)
