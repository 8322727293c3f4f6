# SPDX-License-Identifier: Apache-2.0
"""What must hold around the calls: discovery, registration, firewall, captures, keys."""
import re

from lab import capture, dns_query, key_search, plan
from lab.call_view import require_complete
from lab.node_config import peer_states
from lab.report import require

TONES_HZ = (440, 1000)
LEAST_PACKETS = 50
LEAST_ENTROPY_BITS = 7.5


def found_by_dns(lab):
    """Phone A asked for the domain's SRV record; _collab-edge is served for clients that use it."""
    asked = [q for q in lab.public_dns.queries() if "[SRV]" in q and "_sips._tcp" in q]
    require(asked, "nobody asked the public DNS for _sips._tcp")
    answer = dns_query.srv(lab.spaces["home"], plan.INTERNET_HOME.host4,
                           f"_collab-edge._tls.{plan.DOMAIN}")
    require([target for *_, target in answer] == [plan.EDGE_NAME],
            f"_collab-edge._tls.{plan.DOMAIN} answers {answer}")


def authenticated_by_digest(phone):
    """The trace of the phone shows the challenge and the REGISTER that answers it."""
    trace = phone.trace()
    require("401 Unauthorized" in trace, "A's REGISTER was not challenged")
    algorithm = re.search(r"(?im)^WWW-Authenticate: *Digest.*$", trace)
    require(algorithm, "the challenge is no digest")
    require(re.search(r"(?im)^Authorization: *Digest", trace), "A sent no digest")


def registered_through_both(lab):
    """Kamailio's binding of A leads back through C (and from there E), never to the phone itself."""
    contacts = lab.call_control.contacts("a")
    require(len(contacts) == 1, f"Kamailio holds {len(contacts)} bindings of a")
    contact = contacts[0]
    way_back = f"{contact['Path']} {contact['Address']}"
    require(plan.CORE.host4 in way_back or plan.CORE_NAME in way_back,
            f"the binding of a does not lead through C: {way_back}")
    return f"Path {contact['Path']}"


def phone_speaks_srtp(phone):
    found = sorted(set(line.split("cryptosuite=")[1].rstrip(")") for line in phone.trace().splitlines()
                       if "cryptosuite=" in line))
    require(found, "phone A never enabled SRTP")
    return ", ".join(found)


def traversal_is_up(lab):
    states = peer_states(lab.core.ask("zones"))
    require(states == ["active"], f"C's peers are {states}")


def firewall_is_quiet(lab):
    """C came out on the documented ports, E tried nothing."""
    counters = lab.inner_firewall.counters()
    require(counters["edge_tried_inside"] == 0,
            f"E tried to open something towards C: {counters['edge_tried_inside']} packets")
    require(counters["core_to_edge"] > 0, "the firewall saw nothing from C to E; the rule proves nothing")
    return (f"{counters['core_to_edge']} openings from C, {counters['replies']} packets within them, "
            f"0 openings from E")


def nothing_in_clear(watched, control):
    """No capture outside C holds media in clear; the one inside does, so the search can find it."""
    plain = capture.clear_media(control.datagrams(), TONES_HZ)
    require(plain, f"the search finds no tone where media is in clear ({control.name}); it proves nothing")
    seen = []
    for each in watched:
        datagrams = each.datagrams()
        clear = capture.clear_media(datagrams, TONES_HZ)
        require(not clear, f"{each.name}: clear tone in {dict(clear)}")
        flows = {flow: bits for flow, (packets, bits) in capture.entropy(datagrams).items()
                 if packets >= LEAST_PACKETS}
        require(flows, f"{each.name}: no media was captured")
        low = {flow: round(bits, 2) for flow, bits in flows.items() if bits < LEAST_ENTROPY_BITS}
        require(not low, f"{each.name}: payload does not look enciphered: {low} bits a byte")
        seen.append(f"{each.name}: {sum(len(d.payload) >= 100 for d in datagrams)} packets, "
                    f"at least {min(flows.values()):.2f} bits a byte")
    return "; ".join(seen)


def keys_stay_away_from_edge(lab, phone):
    """While a call is up: its keys are in the phone, but in nothing that E's dataplane holds or E writes."""
    keys = phone.inline_keys()
    require(keys, "the phone's trace shows no SDES key; the search proves nothing")
    wanted = key_search.needles(keys)
    require(key_search.in_memory(phone.pid, wanted),
            "the search does not find the keys in the phone either; it proves nothing")
    found = key_search.in_memory(lab.edge.dataplane.pid, wanted)
    require(not found, f"E's dataplane and region hold media keys: {found}")
    found = key_search.in_files(lab.edge.paths_with_state(), wanted)
    require(not found, f"E's store, run directory or logs hold media keys: {found}")
    return f"{len(keys)} keys looked for"


def round_trips_are_known(core_call):
    """(leg, round trip, MOS) of the audio that arrives at C, of both legs."""
    found = [(leg["side"], stream["round_trip_ms"], stream["mos"]) for leg in core_call["legs"] for stream in leg["streams"]
             if (stream["kind"], stream["component"]) == ("audio", "rtp") and stream["direction"].startswith("from_")]
    require({side for side, _, _ in found} == {"inside", "traversal"}, f"C shows the audio of {found}")
    require(all(round_trip is not None and mos is not None for _, round_trip, mos in found),
            f"C knows no round trip or MOS of a leg: {found}")
    return found


def summaries_are_complete(records):
    require(records, "no call was noted")
    for record in records:
        try:
            require_complete(record.edge, record.core)
        except (AssertionError, KeyError) as problem:
            raise AssertionError(f"{record.title}: {problem}") from None
    return f"{len(records)} calls"
