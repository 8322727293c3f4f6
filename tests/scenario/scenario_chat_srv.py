# SPDX-License-Identifier: Apache-2.0
"""Presence servers that C finds by SRV, over TLS whose certificate holds the domain."""
from lab import plan
from lab.chat import ScriptedChat
from lab.prosody import Prosody
from lab.report import require


def setup(lab):
    lab.start_peers()
    lab.spaces.add_address("cm", plan.CM2.interface, plan.CM2.ipv4)
    server = Prosody(lab.spaces["cm"], plan.CM2, lab.wallet.authority.issue("imp", plan.DOMAIN, names=(plan.DOMAIN,)), lab.folder)
    server.add_user("anna")
    server.start()
    lab.keep(server)
    lab.start_nodes(presence=(plan.IMP_SERVICE,), presence_keys=(("port", 0),))
    lab.core.sallyport("trust", "add", "presence", lab.wallet.authority.certificate)
    return lab


def test_the_next_target_is_taken_when_the_first_does_not_answer(lab):
    client = ScriptedChat(lab).secure(plan.DOMAIN)
    client.authenticate("anna")
    require(client.bind().startswith("anna@example.com/"), "not bound")
    told = lab.core.ask("xmpp", "presence")
    require(told[0]["state"] == "up" and told[0]["streams"] == 1, f"told {told}")
    client.close()
