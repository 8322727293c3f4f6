# SPDX-License-Identifier: Apache-2.0
"""Broken site documents and node files: refused whole, with line and column, and nothing that runs notices."""
from types import SimpleNamespace

from lab import command
from lab.node_config import ZONE
from lab.report import require
from lab.witness import Witness

NEGATIVE = 1

# What stands wrong in the last line of a site document, where it is, and a word of the refusal.
BROKEN_SITES = (
    ('port = "seven"', 8, "port"),
    ("port = 70000", 8, "port"),
    ("prot = 7003", 8, "did you mean port"),
    ('type = "no_such_type"', 8, "type"),
    ('user = "with a space"', 8, "user"),
    ("port = ", 8, ""),
    ('user = "never closed', 21, ""),
)


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, witness=Witness(lab))


def _refusal(node, words):
    code, output, complaint = node.try_sallyport(*words)
    require(code == NEGATIVE, f"sallyport {' '.join(map(str, words))} ends with {code}: {output}{complaint}")
    return output + complaint


def test_a_broken_site_document_is_refused_whole_with_line_and_column(stage):
    """The same document also changes the zone that exists: not even that may be applied."""
    edge = stage.edge
    before = edge.sallyport("export")
    good = edge.site_path.read_text().replace("sip_domains = [", 'sip_domains = ["other.example", ')
    for number, (line, column, word) in enumerate(BROKEN_SITES):
        path = edge.folder / f"broken{number}.toml"
        kind = "" if line.startswith("type") else 'type = "uc_traversal"\n'
        path.write_text(f'{good}\n[[zone]]\nname = "second"\n{kind}{line}\n')
        last = len(path.read_text().splitlines())
        mark = edge.controlplane.mark()
        with edge.counting("sallyport_api_requests_total", outcome="refused"):
            said = _refusal(edge, ("apply", "--yes", path))
        require(f"{path.name}:{last}:{column}: " in said, f"{line}: not at {last}:{column}: {said}")
        require(word in said, f"{line}: {word} is not named: {said}")
        require("nothing was changed" in said, f"{line}: {said}")
        edge.controlplane.wait_for(rf"site_refused.*{path.name}", 5, since=mark)
    require(edge.sallyport("export") == before, "part of a broken document was applied")
    stage.witness.require_unharmed()


def test_a_site_document_of_the_other_role_is_refused(stage):
    """C's document on E: it names peers, which only a client has."""
    before = stage.edge.sallyport("export")
    said = _refusal(stage.edge, ("apply", "--yes", stage.core.site_path))
    require("peers" in said, said)
    require(stage.edge.sallyport("export") == before, "part of it was applied")
    stage.witness.require_unharmed()


def test_an_unknown_zone_is_named(stage):
    for node in (stage.edge, stage.core):
        code, output, complaint = node.try_sallyport("traversal", "test", "Nowhere")
        require(code != 0 and "Nowhere" in complaint and "zones" in complaint, f"{code}: {output}{complaint}")
        node.sallyport("traversal", "test", ZONE, check=False)
    stage.witness.require_unharmed()


def _broken_node_files(node):
    """(text, line and column, word)"""
    text = node.config_path.read_text()

    def at(fragment):
        line = text[:text.index(fragment)].count("\n") + 1
        return f":{line}:"

    yield text.replace("flows = 2048", "flows = 7"), at("flows = 2048"), "flows"
    yield text.replace("flows = 2048", "folws = 2048"), at("flows = 2048"), "did you mean flows"
    yield text.replace('profile = "packet"', 'profile = "carrier-pigeon"', 1), at('profile = "packet"'), "profile"
    yield text.replace('link = "inside"', 'link = "nowhere"'), at('link = "inside"'), "nowhere"
    yield text.replace("[api]", "[api"), at("[api]"), ""


def test_a_broken_node_file_is_refused_by_check_config_and_at_the_start(stage):
    for node in (stage.edge, stage.core):
        node.sallyport("check-config", node.config_path)
        for number, (text, place, word) in enumerate(_broken_node_files(node)):
            path = node.folder / f"broken{number}.toml"
            path.write_text(text)
            said = _refusal(node, ("check-config", path))
            require(path.name + place in said and word in said, f"{place} {word}: {said}")
            code, output, complaint = command.attempt(
                *node.namespace.exec_prefix(), stage.lab.build / "controlplane/sallyport-controlplane",
                "--config", path, timeout_s=20)
            require(code != 0, f"the control plane took {path.name}")
            require(place in output + complaint, f"the control plane says {output}{complaint}")
    stage.witness.require_unharmed()


def test_a_broken_node_file_does_not_spoil_a_reload(stage):
    """SIGHUP with a file that is wrong: refused with its place, everything goes on as before."""
    edge = stage.edge
    good = edge.config_path.read_text()
    for text, words in ((good.replace("flows = 2048", "flows = 7"), "flows"),
                        (good.replace("flows = 2048", "flows = 4096"), "flows")):
        edge.config_path.write_text(text)
        mark = edge.controlplane.mark()
        edge.reload()
        edge.controlplane.wait_for(rf"reload: refused.*{words}", 10, since=mark)
    edge.config_path.write_text(good)
    mark = edge.controlplane.mark()
    edge.reload()
    edge.controlplane.wait_for("reload: done", 10, since=mark)
    stage.witness.require_unharmed()
