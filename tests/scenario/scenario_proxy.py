# SPDX-License-Identifier: Apache-2.0
"""What two proxies in a row owe to SIP: headers and methods that pass, routes that hold, loops that end."""
from types import SimpleNamespace

from lab import plan
from lab.report import require
from lab.scripted_phone import ScriptedCall, outside_phone, registered_pair
from lab.sip_message import split_list

ODD_HEADERS = (("s", "compact stays compact"), ("X-Unknown", "a;b=\"c, d\";e"),
               ("Accept-Language", "da, en-gb;q=0.8"), ("x-uNKNOWN", "<sip:odd@example.com>, \"two\""),
               ("k", "timer"), ("X-Empty", ""))


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    outside, inside = registered_pair(lab)
    return SimpleNamespace(lab=lab, outside=outside, inside=inside)


def _passed(request, names):
    wanted = {name.lower() for name in names}
    return [(name, value) for name, value in request.headers if name.lower() in wanted]


def test_an_unknown_method_passes_both_ways_with_its_headers_in_order(stage):
    outside, inside = stage.outside, stage.inside
    for sender, receiver in ((outside.peer, inside), (inside.peer, outside)):
        sender.send(sender.request("FROBNICATE", receiver.uri, headers=ODD_HEADERS))
        request = receiver.peer.expect("FROBNICATE")
        arrived = _passed(request, [name for name, _ in ODD_HEADERS])
        require(arrived == list(ODD_HEADERS), f"sent {ODD_HEADERS}, arrived {arrived}")
        answer = receiver.peer.reply(request, 299, "Frobnicated", headers=ODD_HEADERS)
        receiver.peer.send(answer)
        came = sender.expect(299)
        require(_passed(came, [name for name, _ in ODD_HEADERS]) == list(ODD_HEADERS),
                f"the answer arrived as\n{came}")
        require(came.start_line == "SIP/2.0 299 Frobnicated", f"it begins with {came.start_line}")


def test_request_uri_and_credentials_arrive_as_they_were_sent(stage):
    """Digest covers both: one changed byte and call control could not check it."""
    peer, callee = stage.outside.peer, stage.inside.peer
    uri = f"sip:{callee.user}@{plan.DOMAIN};X-Param=%41b;user=phone?Subject=kept"
    credentials = 'Digest username="Åsa",realm="r",nonce="n",uri="' + uri + '",response="0"'
    message = peer.request("FROBNICATE", f"sip:{callee.user}@{plan.DOMAIN}",
                           headers=(("Authorization", credentials),))
    peer.send(message)
    request = callee.expect("FROBNICATE")
    require(request.get("Authorization") == credentials, f"arrived: {request.get('Authorization')}")
    callee.send(callee.reply(request, 200, "OK"))
    peer.expect(200)


def test_via_tells_where_the_request_came_from(stage):
    """RFC 3581: rport and received of the client's Via come back filled with its NAT address."""
    peer = stage.outside.peer
    peer.send(peer.request("OPTIONS", stage.inside.uri, max_forwards=0))
    via = peer.expect(483).get("Via")
    require(f"received={plan.HOME_ROUTER_WAN.host4}" in via, f"Via came back as {via}")
    require("rport=" in via, f"Via came back as {via}")


def test_a_dialog_carries_two_record_routes_of_each_node(stage):
    """RFC 5658: where the side changes, one for each side; a request of either end passes through all."""
    call = ScriptedCall.connect(stage.outside, stage.inside)
    routes = call.caller_dialog.routes
    for name in (plan.EDGE_NAME, plan.CORE_NAME, plan.CORE.host4):
        require(any(name in route for route in routes), f"{name} is missing in {routes}")
    own = [route for route in routes if plan.CM.host4 not in route and plan.CM_NAME not in route]
    require(len(own) == 4, f"{len(own)} routes of E and C: {own}")
    require(f"@{plan.EDGE_NAME}:{plan.SIP_TLS_PORT}" in routes[0],
            f"the client's first route is {routes[0]}")
    call.end(by_callee=True)


def test_a_request_that_comes_back_is_called_a_loop(stage):
    """The Via headers under which it arrived inside show that it has been here before."""
    peer, callee = stage.outside.peer, stage.inside.peer
    first = peer.send(peer.request("FROBNICATE", stage.inside.uri))
    arrived = callee.expect("FROBNICATE")
    callee.send(callee.reply(arrived, 200, "OK"))
    peer.expect(200)
    before = stage.lab.edge.counter("sallyport_sip_loops_total")
    again = peer.request("FROBNICATE", stage.inside.uri, call_id=first.get("Call-ID"))
    for via in split_list(arrived.all("Via"))[:-1]:
        again.add("Via", via)
    peer.send(again)
    peer.expect(482)
    require(stage.lab.edge.counter("sallyport_sip_loops_total") == before + 1, "it was not counted")


def test_max_forwards_is_counted_down_and_ends_at_0(stage):
    peer, callee = stage.outside.peer, stage.inside.peer
    peer.send(peer.request("FROBNICATE", stage.inside.uri, max_forwards=20))
    request = callee.expect("FROBNICATE")
    # E, C and Kamailio, which is entered once.
    require(request.get("Max-Forwards") == "17", f"arrived with {request.get('Max-Forwards')}")
    callee.send(callee.reply(request, 200, "OK"))
    peer.expect(200)
    for hops, place in ((0, stage.lab.edge), (1, stage.lab.core)):
        before = place.counter("sallyport_sip_too_many_hops_total")
        peer.send(peer.request("FROBNICATE", stage.inside.uri, max_forwards=hops))
        peer.expect(483)
        require(place.counter("sallyport_sip_too_many_hops_total") == before + 1,
                f"{place.role} did not count what ended there")


def test_an_option_that_a_proxy_must_know_is_refused_by_name(stage):
    peer = stage.outside.peer
    peer.send(peer.request("OPTIONS", stage.inside.uri, headers=(("Proxy-Require", "teleport"),)))
    refusal = peer.expect(420)
    require(refusal.get("Unsupported") == "teleport", f"answered with\n{refusal}")


def test_service_route_leads_through_both_nodes(stage):
    """RFC 3608: the registrar's route, with C and E before it, carries the client's next request."""
    routed = outside_phone(stage.lab, "routed1")
    accepted = routed.peer.register()
    route = split_list(accepted.all("Service-Route"))
    require([name for name in (plan.EDGE_NAME, plan.CORE_NAME, plan.CM_NAME)
             if not any(name in each for each in route)] == [], f"Service-Route is {route}")
    require(len(route) == 3, f"Service-Route is {route}")
    routed.peer.send(routed.peer.request("FROBNICATE", stage.inside.uri,
                                         headers=[("Route", each) for each in route]))
    request = stage.inside.peer.expect("FROBNICATE")
    stage.inside.peer.send(stage.inside.peer.reply(request, 200, "OK"))
    routed.peer.expect(200)
    routed.close()


def test_a_route_to_somebody_else_is_refused(stage):
    """Neither E nor C may be made to send to where a client points."""
    peer = stage.outside.peer
    for node, route in ((stage.lab.edge, "<sip:198.51.100.99;lr>"),
                        (stage.lab.core, f"<sip:{plan.EDGE_NAME};lr>, <sip:{plan.DESK.host4}:5060;lr>")):
        before = node.counter("sallyport_sip_foreign_route_total")
        peer.send(peer.request("OPTIONS", stage.inside.uri, headers=(("Route", route),)))
        refusal = peer.expect(403)
        require("oute" in refusal.start_line, f"told {refusal.start_line}")
        require(node.counter("sallyport_sip_foreign_route_total") == before + 1, "not counted")


def test_a_flow_token_that_was_not_made_here_is_refused(stage):
    call = ScriptedCall.connect(stage.inside, stage.outside)
    dialog = call.caller_dialog
    kept = list(dialog.routes)
    spoiled = []
    for route in kept:
        user = route.split(":", 1)[1].split("@")[0] if plan.EDGE_NAME in route else ""
        spoiled.append(route.replace(user, user[:-2] + ("AA" if user[-2:] != "AA" else "BB"))
                       if user else route)
    require(spoiled != kept, f"no token of E in {kept}")
    before = stage.lab.edge.counter("sallyport_sip_bad_token_total")
    dialog.routes = spoiled
    dialog.send("INFO")
    stage.inside.peer.expect(403)
    require(stage.lab.edge.counter("sallyport_sip_bad_token_total") == before + 1, "not counted")
    dialog.routes = kept
    call.end()


def test_a_domain_that_is_not_served_cannot_be_registered(stage):
    peer = stage.outside.peer
    message = peer.request("REGISTER", "sip:elsewhere.example.org")
    before = stage.lab.edge.counter("sallyport_sip_foreign_domain_total")
    peer.send(message)
    peer.expect(403)
    require(stage.lab.edge.counter("sallyport_sip_foreign_domain_total") == before + 1, "not counted")


def test_a_request_in_a_dialog_whose_flow_is_gone_gets_430(stage):
    gone = outside_phone(stage.lab, "leaver").register()
    call = ScriptedCall.connect(gone, stage.inside)
    dialog = call.callee_dialog
    before = stage.lab.edge.counter("sallyport_sip_flow_failed_total")
    gone.peer.close()
    stage.lab.edge.wait_answer(
        lambda listed: not any("leaver" in entry["aor"] for entry in listed),
        "the end of the flow", words=("registrations",))
    dialog.send("INFO")
    stage.inside.peer.expect(430)
    require(stage.lab.edge.counter("sallyport_sip_flow_failed_total") == before + 1, "not counted")
    gone.end_media()
    stage.inside.end_media()


def test_the_answer_to_register_names_the_flow_timer(stage):
    """RFC 5626 4.4.1: the client learns how often it must send a keep-alive."""
    keeper = outside_phone(stage.lab, "keeper")
    accepted = keeper.peer.register()
    require("outbound" in accepted.get("Require"), f"no outbound in\n{accepted}")
    require(accepted.get("Flow-Timer").isdigit(), f"Flow-Timer is {accepted.get('Flow-Timer')!r}")
    keeper.peer.send_bytes(b"\r\n\r\n")
    keeper.peer.connection.settimeout(5)
    require(keeper.peer.connection.recv(16) == b"\r\n", "no pong")
    keeper.close()
