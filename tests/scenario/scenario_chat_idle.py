# SPDX-License-Identifier: Apache-2.0
"""What an idle chat client costs on E: established streams with a bound resource, after traffic in both directions."""
from pathlib import Path

from lab import plan
from lab.chat import ScriptedChat
from lab.prosody import Prosody
from lab.report import require

USERS = 20
WARM, CLIENTS, MANY_CLIENTS = 100, 400, 2000
MOST_BYTES = 24_000


def setup(lab):
    lab.start_peers()
    credential = lab.wallet.authority.issue("imp", plan.IMP_NAME, names=(plan.IMP_NAME, plan.DOMAIN))
    server = Prosody(lab.spaces["cm"], plan.CM, credential, lab.folder)
    for number in range(USERS):
        server.add_user(f"user{number}")
    server.start()
    lab.keep(server)
    lab.start_nodes(presence=(plan.IMP_NAME,), xmpp={"connections_per_source": 10_000, "handshakes_per_source_per_s": 10_000})
    lab.core.sallyport("trust", "add", "presence", lab.wallet.authority.certificate)
    return lab


def _resident_bytes(node):
    for line in Path(f"/proc/{node.controlplane.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def _clients(lab, count):
    online = []
    for number in range(count):
        client = ScriptedChat(lab).secure(plan.DOMAIN)
        client.authenticate(f"user{number % USERS}")
        own = client.bind()
        # 3 kB up, and down again.
        client.send(f"<message to='{own}' type='chat'><body>{'x' * 3000}</body></message>")
        client.read_until("</message>")
        online.append(client)
    return online


def test_an_idle_stream_costs_24_kb_on_e_at_most(lab):
    warm = _clients(lab, WARM)
    before = {node.role: _resident_bytes(node) for node in (lab.edge, lab.core)}
    count = MANY_CLIENTS if lab.is_long else CLIENTS
    clients = _clients(lab, count)
    require(lab.edge.counter("sallyport_xmpp_streams", state="established") == WARM + count, "not all are established")
    each = {node.role: (_resident_bytes(node) - before[node.role]) / count for node in (lab.edge, lab.core)}
    print(f"bytes of memory for an idle stream: {each['E']:.0f} on E, {each['C']:.0f} on C, of {count} streams", flush=True)
    require(each["E"] <= MOST_BYTES, f"{each['E']:.0f} bytes a stream on E")
    for client in warm + clients:
        client.close()
    lab.edge.wait_answer(lambda told: not told, "no streams", 60, ("xmpp", "streams"))
    lab.core.wait_answer(lambda told: not told, "no streams", 60, ("xmpp", "streams"))
