# SPDX-License-Identifier: Apache-2.0
"""Two tenants on one E (C01, F02): each has its zone, its C and its call control, and neither notices the other."""
from types import SimpleNamespace

from lab import command, node_config, plan
from lab.call_control import CallControl
from lab.certificates import Authority
from lab.node import Node
from lab.node_config import peers_of
from lab.report import require
from lab.scripted_phone import outside_phone

TENANT, CORE2, CLUSTER2 = "tenant.example.net", "c2.inside.example.com", "c2-cluster.inside.example.com"
PHONE = "SEP001122334455"
ZONE2, USER2, PASSWORD2 = "Zone of the tenant", "tenantauth", "the tenant's own secret"


def setup(lab):
    """The second C stands where the desk phones are otherwise, and its Kamailio beside the first."""
    lab.start_peers()
    lab.spaces.add_address("cm", plan.CM2.interface, plan.CM2.ipv4)
    lab.spaces.add_address("cm", plan.CM2.interface, plan.CM2.ipv6)
    theirs = lab.keep(CallControl(lab.spaces["cm"], plan.CM2, lab.wallet.cm, lab.wallet.authority.certificate, lab.folder, "kamailio2", plan.CM2_NAME, TENANT))
    theirs.start()
    lab.make_nodes()
    site = lab.edge.site_path.read_text()
    stage = SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, theirs=theirs, site_of_one=site, site_of_two=site + "\n" + node_config.zone_of_edge(ZONE2, plan.TENANT_TRAVERSAL_PORT, USER2, PASSWORD2, CLUSTER2, TENANT))
    lab.edge.start()
    lab.core.start()
    lab.await_traversal()
    credential = lab.wallet.authority.issue("core2", CORE2, names=(CORE2, CLUSTER2))
    settings = node_config.varied(core_ip=plan.DESK.host4, core_credential=credential, port=plan.TENANT_TRAVERSAL_PORT, user=USER2, core_password=PASSWORD2, cm_nodes=(plan.CM2_NAME,))
    config, site = node_config.core(lab.wallet, settings)
    site = site.replace(node_config.ZONE, ZONE2).replace(f'sip_domains = ["{plan.DOMAIN}"]', f'sip_domains = ["{TENANT}"]')
    stage.core2 = lab.keep(Node("C", lab.spaces["desk"], lab.folder, lab.build, config.replace(plan.CORE_NAME, CORE2), site, number=lab.next_number()))
    stage.core2.guard_relay_ports()
    return stage


def _apply(stage, text):
    stage.edge.site_path.write_text(text)
    stage.edge.sallyport("apply", "--yes", stage.edge.site_path)


def _phone(stage, user, domain):
    phone = outside_phone(stage.lab, user)
    phone.peer.domain = domain
    return phone


def _is_refused(phone, status):
    request = phone.peer.request("REGISTER", f"sip:{phone.peer.domain}", to=f"sip:{phone.peer.user}@{phone.peer.domain}", call_id=f"refused-{phone.peer.user}", cseq=1, headers=(("Expires", 60),))
    phone.peer.send(request)
    return phone.peer.expect(status, call_id=f"refused-{phone.peer.user}")


def _first_zone(stage):
    peer = next(peer for zone in stage.core.ask("zones") for peer in zone["peers"])
    return peer["state"], peer["since"], peer["connects"]


def _aors(node):
    return sorted(entry["aor"] for entry in node.ask("registrations"))


def test_f02_a_second_zone_makes_e_multi_tenant_and_the_first_does_not_notice(stage):
    ours = _phone(stage, "ours1", plan.DOMAIN).register()
    before = _first_zone(stage)
    _is_refused(_phone(stage, "theirs0", TENANT), 403)
    _apply(stage, stage.site_of_two)
    stage.core2.start()
    stage.core2.wait_answer(lambda zones: any(peer["state"] == "active" for peer in peers_of(zones)), "the tenant's zone", words=("zones",))
    require(_first_zone(stage) == before, f"the first tenant's connection: {before} became {_first_zone(stage)}")
    require(_aors(stage.edge) == [f"sip:ours1@{plan.DOMAIN}"], f"{_aors(stage.edge)}")
    ours.register()


def test_c01_each_tenants_phones_reach_its_own_c_and_call_control(stage):
    for number in range(3):
        _phone(stage, f"a{number}", plan.DOMAIN).register()
        _phone(stage, f"b{number}", TENANT).register()
    at_c1, at_c2 = _aors(stage.core), _aors(stage.core2)
    require(at_c2 == [f"sip:b{number}@{TENANT}" for number in range(3)], f"the tenant's C has {at_c2}")
    require(all(aor.endswith(plan.DOMAIN) for aor in at_c1) and len(at_c1) == 4, f"the first C has {at_c1}")
    require(len(_aors(stage.edge)) == 7, f"E has {_aors(stage.edge)}")
    require(stage.theirs.contacts("b0") and not stage.theirs.contacts("a0"), "the tenant's call control has others' phones")
    require(stage.lab.call_control.contacts("a0") and not stage.lab.call_control.contacts("b0"), "the first call control has others' phones")
    told = stage.edge.ask("zones")
    require({zone["name"]: [peer["name"] for peer in zone["peers"]] for zone in told} == {node_config.ZONE: [plan.CORE_NAME], ZONE2: [CORE2]}, f"{told}")


def _enrol(stage, code, name):
    """Status of the answer to a phone that asks for its certificate at E by that name."""
    lab, request = stage.lab, stage.lab.folder / "tenant-phone.csr"
    if not request.exists():
        command.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={PHONE}", "-keyout", lab.folder / "tenant-phone.key", "-out", request)
    port = 8444
    return lab.spaces["home"].run("curl", "-s", "-k", "--max-time", "20", "--resolve", f"{name}:{port}:{plan.EDGE_OUTSIDE.host4}", "--cert", stage.phone.certificate, "--key", stage.phone.key, "-u", f"{PHONE}:{code}",
                                  "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{request}", "-o", "/dev/null", "-w", "%{http_code}", f"https://{name}:{port}/.well-known/est/simpleenroll", check=False).strip()


def test_c01_b37_a_phones_code_comes_to_its_own_tenant_alone(stage):
    """Whatever a C says it serves: the name that the phone asks E for decides, as E's operator gave it to a zone."""
    maker = Authority(stage.lab.folder / "maker", "Phone maker CA")
    stage.phone = maker.issue(PHONE, PHONE)
    stage.edge.sallyport("trust", "add", "endpoints", maker.certificate)
    for node in (stage.core, stage.core2):
        node.sallyport("onboarding", "on")
    stage.edge.wait_answer(lambda told: len(told["authorities"]) == 2 and told["listener"], "the authorities of both", words=("onboarding",))
    code = stage.core2.ask("onboarding", "code", PHONE)["code"]
    asked = [node.counter("sallyport_onboarding_requests_total") for node in (stage.core, stage.core2)]
    require(_enrol(stage, code, plan.EDGE_NAME) == "403", "a code of the tenant was taken under the other's name")
    require(_enrol(stage, code, "edge.example.org") == "503", "a name of nobody was taken")
    require(stage.core2.counter("sallyport_onboarding_requests_total") == asked[1], "the tenant was asked under names that are not its own")
    at_first = stage.core.counter("sallyport_onboarding_requests_total")
    require(at_first == asked[0] + 1, f"the first tenant was asked {at_first - asked[0]} times")
    require(_enrol(stage, code, f"edge.{TENANT}") == "200", "the tenant's own name")
    require(stage.core.counter("sallyport_onboarding_requests_total") == at_first, "the code came to the other tenant")


def test_f02_what_happens_to_one_tenant_is_nothing_to_the_other(stage):
    before = _first_zone(stage)
    ours, theirs = _phone(stage, "ours2", plan.DOMAIN).register(), _phone(stage, "theirs2", TENANT).register()
    stage.core2.kill_controlplane()
    stage.edge.wait_answer(lambda zones: not any(peer["state"] == "active" for zone in zones if zone["name"] == ZONE2 for peer in zone["peers"]), "the tenant's C is gone", words=("zones",))
    _is_refused(theirs, 503)
    ours.register()
    _apply(stage, stage.site_of_one)
    _is_refused(_phone(stage, "theirs3", TENANT), 403)
    ours.register()
    require(_first_zone(stage) == before, f"the first tenant's connection: {before} became {_first_zone(stage)}")
