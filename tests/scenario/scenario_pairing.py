# SPDX-License-Identifier: Apache-2.0
"""Two nodes become a pair by a token: no certificate is installed on either side, and what the pair has renews itself under calls."""
import json
from types import SimpleNamespace

from lab import plan
from lab.certificates import Authority
from lab.media_load import MediaLoad
from lab.node_config import ZONE, ZONE_PASSWORD, peers_of
from lab.report import require
from lab.scripted_phone import many_calls

CALLS, PACKETS_PER_S = 50, 50
LIFE_S = 12  # of a certificate: renewed after about eight seconds
RENEWALS = 2
COUNTS_LOSS = True


def setup(lab):
    """C's certificate is one that nobody trusts, as on a node that was just installed, and C has no zone."""
    lab.start_peers()
    stranger = Authority(lab.folder / "stranger", "Nobody").issue("core", plan.CORE_NAME, names=(plan.CORE_NAME,))
    lab.make_nodes(core_credential=stranger)
    for node in (lab.edge, lab.core):
        text = node.config_path.read_text()
        ca = f'ca_file = "{lab.wallet.authority.certificate}"'
        require(ca in text, "the node file trusts no authority")
        if node is lab.edge:
            text = text.replace("multiplex_port =", f"pair_certificate_s = {LIFE_S}\nmultiplex_port =")
        else:
            text = text.replace(ca, f'ca_file = "{stranger.certificate}"')
        node.config_path.write_text(text)
    lab.core.site_path.write_text("")
    lab.edge.start()
    lab.core.start()
    password = lab.folder / "zone.password"
    password.write_text(ZONE_PASSWORD + "\n")
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, password=password)


def _token(stage, *words):
    return stage.edge.ask("pair", *words)["token"]


def _own(stage):
    """C's certificate for E."""
    return stage.core.ask("pair", "list")["certificates"][0]


def _zone(stage):
    return peers_of(stage.core.ask("zones"))[0]


def _refusal(node, *words):
    code, _, complaint = node.try_sallyport(*words)
    require(code in (1, 4), f"{words} ended with {code}: {complaint}")
    return complaint


def test_bad_tokens_are_refused_with_cause_and_remedy(stage):
    token = _token(stage)
    for words, expected in ((("join", token[:-8]), "is damaged: its check does not fit"),
                            (("join", "hello"), "does not begin with sp1-"),
                            (("pair",), "is made on E; this node is C")):
        complaint = _refusal(stage.core, *words)
        require(expected in complaint, f"{words}: {complaint}")
    require("is redeemed on C" in _refusal(stage.edge, "join", token), "E joined itself")
    require("does not exist on this node" in _refusal(stage.edge, "pair", "No such zone"), "a token for no zone")
    open_token = stage.edge.ask("pair", "list")["tokens"][0]
    stage.edge.sallyport("pair", "withdraw", open_token["id"])
    with stage.edge.counting("sallyport_pair_certificates_total", outcome="refused"):
        complaint = _refusal(stage.core, "join", token)
    require("was used, is over, or is another node's" in complaint, complaint)
    require(stage.core.ask("pair", "list")["certificates"] == [], "C keeps something")


def test_a_token_joins_c_and_makes_its_zone(stage):
    lab = stage.lab
    token = _token(stage, ZONE, "--seconds", "60")
    told = stage.core.ask("join", token, "--password-file", stage.password)
    require(told["peer"] == plan.EDGE_NAME and "is made and connects" in told["next"], f"told {told}")
    lab.await_traversal()
    names = _own(stage)["names"]
    require(f"DNS:{plan.CORE_NAME}" in names and f"DNS:{plan.CLUSTER_NAME}" in names, f"its names are {names}")
    require("was used" in _refusal(stage.core, "join", token), "a token joined twice")
    nodes = stage.edge.ask("pair", "list")["nodes"]
    require([node["fqdn"] for node in nodes] == [plan.CORE_NAME], f"E knows {nodes}")
    steps = [step for test in json.loads(stage.core.sallyport("traversal", "test", "--json")) for step in test["steps"]]
    require(not [step for step in steps if step["verdict"] == "failed"], f"{steps}")


def test_certificates_renew_themselves_under_calls_and_nothing_ends(stage):
    lab = stage.lab
    calls = many_calls(lab, CALLS)
    before, serials = _zone(stage), {_own(stage)["serial"]}
    with MediaLoad(lab.build, calls, PACKETS_PER_S) as load:
        load.go_on(CALLS * PACKETS_PER_S)
        load.mark()
        for _ in range(RENEWALS):
            told = stage.core.wait_answer(lambda pair: pair["certificates"][0]["serial"] not in serials, "the next certificate", 60, words=("pair", "list"))
            serials.add(told["certificates"][0]["serial"])
            steps = json.loads(stage.core.sallyport("traversal", "test", "--json"))[0]["steps"]
            failed = [step for step in steps if step["verdict"] == "failed"]
            require(not failed, f"a handshake with the new certificate: {failed}")
        tally = load.stop()
    require(tally.lost == 0, f"{tally}")
    after = _zone(stage)
    require((after["state"], after["connects"], after["since"]) == (before["state"], before["connects"], before["since"]), f"{before} became {after}")
    for call in calls:
        call.end()
    return f"{tally} while the pair's certificates were renewed {RENEWALS} times"


def test_the_pair_outlives_both_control_planes(stage):
    for node in (stage.edge, stage.core):
        node.kill_controlplane()
    for node in (stage.edge, stage.core):
        node.start_controlplane()
        node.wait_ready()
    stage.lab.await_traversal(45)


def test_who_is_removed_is_refused_by_name_and_joins_again(stage):
    stage.edge.sallyport("pair", "remove", "--yes", plan.CORE_NAME)
    require(_zone(stage)["state"] == "active", "a connection that stands goes on")
    stage.core.kill_controlplane()
    stage.core.start_controlplane()
    stage.core.wait_ready()
    reason = stage.lab.await_refusal("revoked|refused our certificate")
    stage.edge.wait_answer(lambda zones: any("was withdrawn here" in peer["reason"] for peer in peers_of(zones)), "why C is refused", words=("zones",))
    told = stage.core.ask("join", _token(stage))
    require("uses the certificate from its next connection" in told["next"], f"told {told}")
    stage.lab.await_traversal(45)
    return reason
