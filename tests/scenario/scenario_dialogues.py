# SPDX-License-Identifier: Apache-2.0
"""Dialogues through the pair that no phone makes: scripted endpoints outside and inside."""
from types import SimpleNamespace

from lab import plan, sdp
from lab.report import require
from lab.scripted_phone import (ALL_SUITES, ScriptedCall, inside_phone, outside_phone,
                                registered_pair)
from lab.sip_dialog import SipDialog

UNKNOWN_HEADERS = (("X-First", "one;p=1"), ("Subject", "  kept as it is"), ("X-Second", '"q,uoted", <a>'),
                   ("x-first", "again"))


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    return SimpleNamespace(lab=lab)


def test_every_suite_offered_from_outside_is_answered_with_its_tag(stage):
    outside, inside = registered_pair(stage.lab)
    for suite in ALL_SUITES:
        caller = outside_phone(stage.lab, f"o-{suite.lower().replace('_', '-')}", (suite,)).register()
        call = ScriptedCall.connect(caller, inside)
        require(caller.streams[0].suite == suite, f"{suite}: answered with {caller.streams[0].suite}")
        call.talk(0.2)
        call.report()
        call.end()
        caller.close()


def test_an_offer_from_inside_carries_all_suites_strongest_first(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(inside, outside)
    call.talk(0.2)
    require(outside.streams[0].suite == "AEAD_AES_256_GCM", "the strongest was not first")
    call.end()
    for choice, suite in enumerate(ALL_SUITES):
        call = ScriptedCall.connect(inside, outside, choice=choice)
        require(outside.streams[0].suite == suite,
                f"offered at place {choice}: {outside.streams[0].suite}, not {suite}")
        call.talk(0.2)
        call.end(by_callee=True)


def test_an_offer_without_keys_gets_488_with_the_reason(stage):
    outside, inside = registered_pair(stage.lab)
    body = outside.offer(suites=())
    invite = outside.peer.send(outside.peer.request("INVITE", inside.uri, body=body))
    refusal = outside.peer.expect(4)
    require(refusal.status == 488, f"answered with {refusal.start_line}")
    require(refusal.get("Warning"), f"488 without a Warning:\n{refusal}")
    outside.peer.acknowledge(invite, refusal)
    inside.peer.expect_nothing("INVITE", 0.5)
    outside.end_media()


def test_a_reinvite_adds_a_stream(stage):
    outside, inside = registered_pair(stage.lab)
    for caller, callee in ((outside, inside), (inside, outside)):
        call = ScriptedCall.connect(caller, callee)
        call.talk(0.2)
        seen = call.reinvite(caller, callee, caller.offer(("audio", "video")))
        require(len(sdp.streams_of(seen)) == 2, "the added stream did not arrive")
        call.talk(0.2)
        call.end()


def test_a_call_keeps_its_media_when_a_refused_reinvite_changes_nothing(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.2)
    invite = call.caller_dialog.send("INVITE", body=outside.offer(("audio", "video")))
    request = inside.peer.expect("INVITE")
    inside.peer.send(inside.peer.reply(request, 488, "Not Acceptable Here"))
    outside.peer.acknowledge(invite, outside.peer.expect(488))
    inside.peer.expect("ACK")
    outside.streams.pop().rtp.close()
    call.talk(0.2)
    call.end()


def test_late_offer(stage):
    outside, inside = registered_pair(stage.lab)
    for caller, callee in ((outside, inside), (inside, outside)):
        invite = caller.peer.invite(callee.uri)
        request = callee.peer.expect("INVITE")
        require(not request.body, "an offer was made up where the caller sent none")
        answer = callee.peer.reply(request, 200, "OK", body=callee.offer())
        callee.peer.send(answer)
        accepted = caller.peer.expect(200, call_id=invite.get("Call-ID"))
        body = caller.answer(accepted.body)
        call = ScriptedCall.acknowledge(caller, callee, accepted, request, answer, body)
        callee.take_answer(call.ack.body)
        call.talk(0.2)
        call.end()


def test_early_media_with_prack_and_update(stage):
    caller, callee = registered_pair(stage.lab)
    invite = caller.peer.invite(callee.uri, caller.offer(), headers=(("Supported", "100rel"),))
    request = callee.peer.expect("INVITE")
    progress = callee.peer.reply(request, 183, "Session Progress", body=callee.answer(request.body),
                                 headers=(("Require", "100rel"), ("RSeq", "1")))
    callee.peer.send(progress)
    early = caller.peer.expect(183, call_id=invite.get("Call-ID"))
    caller.take_answer(early.body)
    dialog = SipDialog.of_caller(caller.peer, early)
    other = SipDialog.of_callee(callee.peer, request, progress)
    dialog.send("PRACK", headers=(("RAck", f"1 {early.get('CSeq')}"),))
    callee.peer.send(callee.peer.reply(callee.peer.expect("PRACK"), 200, "OK"))
    caller.peer.expect(200)
    call = ScriptedCall(caller, callee, dialog, other)
    call.talk(0.2)

    dialog.send("UPDATE", body=caller.offer(direction="sendonly"))
    update = callee.peer.expect("UPDATE")
    require(sdp.streams_of(update.body)[0].direction == "sendonly", "the direction got lost")
    callee.peer.send(callee.peer.reply(update, 200, "OK", body=callee.answer(update.body, "recvonly")))
    caller.take_answer(caller.peer.expect(200).body)

    callee.peer.send(callee.peer.reply(request, 200, "OK"))
    caller.peer.expect(200)
    dialog.send("ACK")
    callee.peer.expect("ACK")
    call.end()


def test_hold_by_direction_and_by_the_old_address(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.2)
    for held in ({"direction": "sendonly"}, {"direction": "inactive"}, {"address": "0.0.0.0"}):
        seen = call.reinvite(outside, inside, outside.offer(**held), "recvonly")
        stream = sdp.streams_of(seen)[0]
        if "direction" in held:
            require(stream.direction == held["direction"], f"{held}: seen {stream.direction}")
        else:
            # RFC 3264 8.4: what 0.0.0.0 says may as well be said by the direction.
            require(stream.address == "0.0.0.0" or stream.direction != "sendrecv",
                    f"hold by 0.0.0.0 was seen as {stream.direction} at {stream.address}")
        call.reinvite(outside, inside, outside.offer())
        call.talk(0.2)
    call.end()


def test_a_stream_with_port_0_stays_rejected(stage):
    caller, callee = registered_pair(stage.lab)
    invite = caller.peer.invite(callee.uri, caller.offer(("audio", "video")))
    request = callee.peer.expect("INVITE")
    lines = callee.answer(request.body).split("m=video")[0] + "m=video 0 RTP/AVP 96\r\n"
    callee.streams.pop().rtp.close()
    answer = callee.peer.reply(request, 200, "OK", body=lines)
    callee.peer.send(answer)
    accepted = caller.peer.expect(200, call_id=invite.get("Call-ID"))
    require(sdp.streams_of(accepted.body)[1].port == 0, "the rejected stream came back with a port")
    caller.take_answer(accepted.body)
    caller.streams.pop().rtp.close()
    call = ScriptedCall.acknowledge(caller, callee, accepted, request, answer)
    call.talk(0.2)
    call.end()


def test_forked_early_dialogs_each_have_media(stage):
    """Two phones of one user ring; one sends early media, the other answers."""
    first, second = (inside_phone(stage.lab, "fork").register() for _ in range(2))
    caller, _ = registered_pair(stage.lab)
    invite = caller.peer.invite(f"sip:fork@{plan.DOMAIN}", caller.offer())
    requests = [phone.peer.expect("INVITE") for phone in (first, second)]
    first.peer.send(first.peer.reply(requests[0], 183, "Session Progress",
                                     body=first.answer(requests[0].body)))
    early = caller.peer.expect(183, call_id=invite.get("Call-ID"))
    caller.take_answer(early.body)
    ScriptedCall(caller, first, None, None).talk(0.2)

    answer = second.peer.reply(requests[1], 200, "OK", body=second.answer(requests[1].body))
    second.peer.send(answer)
    accepted = caller.peer.expect(200, call_id=invite.get("Call-ID"))
    require(accepted.tag("To") != early.tag("To"), "two legs of a fork share a To tag")
    caller.take_answer(accepted.body)
    call = ScriptedCall.acknowledge(caller, second, accepted, requests[1], answer)
    first.peer.send(first.peer.reply(first.peer.expect("CANCEL"), 200, "OK"))
    first.peer.send(first.peer.reply(requests[0], 487, "Request Terminated"))
    first.peer.expect("ACK")
    call.talk(0.2)
    call.end()
    first.close()
    second.close()


def test_late_offer_in_a_reliable_response_is_answered_by_prack(stage):
    outside, inside = registered_pair(stage.lab)
    for caller, callee in ((outside, inside), (inside, outside)):
        invite = caller.peer.invite(callee.uri, headers=(("Supported", "100rel"),))
        request = callee.peer.expect("INVITE")
        progress = callee.peer.reply(request, 183, "Session Progress", body=callee.offer(),
                                     headers=(("Require", "100rel"), ("RSeq", "1")))
        callee.peer.send(progress)
        early = caller.peer.expect(183, call_id=invite.get("Call-ID"))
        dialog = SipDialog.of_caller(caller.peer, early)
        other = SipDialog.of_callee(callee.peer, request, progress)
        dialog.send("PRACK", headers=(("RAck", f"1 {early.get('CSeq')}"),), body=caller.answer(early.body))
        prack = callee.peer.expect("PRACK")
        callee.take_answer(prack.body)
        callee.peer.send(callee.peer.reply(prack, 200, "OK"))
        caller.peer.expect(200)
        call = ScriptedCall(caller, callee, dialog, other)
        call.talk(0.2)
        callee.peer.send(callee.peer.reply(request, 200, "OK"))
        caller.peer.expect(200)
        dialog.send("ACK")
        callee.peer.expect("ACK")
        call.talk(0.2)
        call.end()


def test_update_of_either_side_holds_and_resumes(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    for dialog, holder, held in ((call.caller_dialog, outside, inside), (call.callee_dialog, inside, outside)):
        for direction, answer in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
            dialog.send("UPDATE", body=holder.offer(direction=direction))
            update = held.peer.expect("UPDATE")
            require(sdp.streams_of(update.body)[0].direction == direction, "the direction got lost")
            held.peer.send(held.peer.reply(update, 200, "OK", body=held.answer(update.body, answer)))
            holder.take_answer(holder.peer.expect(200).body)
        call.talk(0.2)
    call.end()


def test_a_stream_that_is_no_rtp_goes_on_as_rejected(stage):
    caller, callee = registered_pair(stage.lab)
    body = caller.offer() + "m=application 5070 UDP/BFCP *\r\na=floorctrl:c-s\r\n"
    invite = caller.peer.invite(callee.uri, body)
    request = callee.peer.expect("INVITE")
    require(sdp.streams_of(request.body)[1].port == 0, "a stream that is not relayed kept its port")
    lines = callee.answer(request.body.split("m=application")[0]) + "m=application 0 UDP/BFCP *\r\n"
    answer = callee.peer.reply(request, 200, "OK", body=lines)
    callee.peer.send(answer)
    accepted = caller.peer.expect(200, call_id=invite.get("Call-ID"))
    require(sdp.streams_of(accepted.body)[1].port == 0, "the rejected stream came back with a port")
    caller.take_answer(accepted.body.split("m=application")[0])
    call = ScriptedCall.acknowledge(caller, callee, accepted, request, answer)
    call.talk(0.2)
    call.end()


def test_two_phones_outside_call_each_other(stage):
    """Every node carries it twice: in, and out again."""
    one = outside_phone(stage.lab, f"o{stage.lab.next_number()}").register()
    other = outside_phone(stage.lab, f"o{stage.lab.next_number()}").register()
    call = ScriptedCall.connect(one, other)
    call.talk(0.3)
    call.reinvite(other, one, other.offer(direction="sendonly"), "recvonly")
    call.reinvite(one, other, one.offer())
    call.talk(0.3)
    call.end(by_callee=True)
    _no_calls(stage.lab)


def test_call_control_forks_to_two_phones_outside(stage):
    first, second = (outside_phone(stage.lab, "oforks").register() for _ in range(2))
    _, caller = registered_pair(stage.lab)
    invite = caller.peer.invite(first.uri, caller.offer())
    requests = [phone.peer.expect("INVITE") for phone in (first, second)]
    first.peer.send(first.peer.reply(requests[0], 183, "Session Progress",
                                     body=first.answer(requests[0].body)))
    early = caller.peer.expect(183, call_id=invite.get("Call-ID"))
    caller.take_answer(early.body)
    ScriptedCall(caller, first, None, None).talk(0.2)
    answer = second.peer.reply(requests[1], 200, "OK", body=second.answer(requests[1].body))
    second.peer.send(answer)
    accepted = caller.peer.expect(200, call_id=invite.get("Call-ID"))
    caller.take_answer(accepted.body)
    call = ScriptedCall.acknowledge(caller, second, accepted, requests[1], answer)
    first.peer.send(first.peer.reply(first.peer.expect("CANCEL"), 200, "OK"))
    first.peer.send(first.peer.reply(requests[0], 487, "Request Terminated"))
    first.peer.expect("ACK")
    call.talk(0.2)
    call.end()
    _no_calls(stage.lab)
    first.close()
    second.close()


def _no_calls(lab):
    """At once, on both nodes; what they ended stays in the list as ended."""
    for node in (lab.core, lab.edge):
        node.wait_answer(lambda calls: not calls, "an empty list of calls", 3, words=("calls", "--active"))


def test_a_cancelled_call_leaves_both_nodes_at_once(stage):
    outside, inside = registered_pair(stage.lab)
    for caller, callee in ((outside, inside), (inside, outside)):
        _no_calls(stage.lab)
        invite = caller.peer.invite(callee.uri, caller.offer())
        request = callee.peer.expect("INVITE")
        callee.peer.send(callee.peer.reply(request, 180, "Ringing"))
        caller.peer.expect(180, call_id=invite.get("Call-ID"))
        caller.peer.cancel(invite)
        require(caller.peer.expect(200).get("CSeq").endswith("CANCEL"), "a 200 to the cancelled INVITE")
        callee.peer.send(callee.peer.reply(callee.peer.expect("CANCEL"), 200, "OK"))
        callee.peer.send(callee.peer.reply(request, 487, "Request Terminated"))
        caller.peer.acknowledge(invite, caller.peer.expect(487, call_id=invite.get("Call-ID")))
        caller.peer.expect_nothing(200, 0.3)
        _no_calls(stage.lab)
        caller.end_media()


def test_a_refused_call_leaves_both_nodes_at_once(stage):
    outside, inside = registered_pair(stage.lab)
    for caller, callee in ((outside, inside), (inside, outside)):
        invite = caller.peer.invite(callee.uri, caller.offer())
        callee.peer.send(callee.peer.reply(callee.peer.expect("INVITE"), 486, "Busy Here"))
        caller.peer.acknowledge(invite, caller.peer.expect(486, call_id=invite.get("Call-ID")))
        _no_calls(stage.lab)
        caller.end_media()


def test_an_answer_that_cannot_be_carried_ends_the_call_on_both_sides(stage):
    """Clear RTP, no keys, or keys for a tag that was not offered: 488 to the caller, ACK and BYE to the callee."""
    outside, inside = registered_pair(stage.lab)
    for spoil in (lambda body: body.replace("RTP/SAVP", "RTP/AVP"),
                  lambda body: "".join(line for line in body.splitlines(True) if "a=crypto" not in line),
                  lambda body: body.replace("a=crypto:", "a=crypto:7")):
        invite = inside.peer.invite(outside.uri, inside.offer())
        request = outside.peer.expect("INVITE")
        outside.peer.send(outside.peer.reply(request, 200, "OK", body=spoil(outside.answer(request.body))))
        outside.peer.expect("ACK")
        outside.peer.send(outside.peer.reply(outside.peer.expect("BYE"), 200, "OK"))
        refusal = inside.peer.expect(488, call_id=invite.get("Call-ID"))
        require(refusal.get("Warning"), f"488 without a Warning:\n{refusal}")
        inside.peer.acknowledge(invite, refusal)
        _no_calls(stage.lab)
        inside.end_media()
        outside.end_media()


def test_requests_outside_a_dialog_pass_with_unknown_headers_in_order(stage):
    outside, inside = registered_pair(stage.lab)
    for method in ("MESSAGE", "OPTIONS", "SUBSCRIBE", "PUBLISH", "REFER"):
        sender, receiver = outside.peer, inside.peer
        target = inside.uri
        extra = UNKNOWN_HEADERS + ((("Event", "presence"),) if method in ("SUBSCRIBE", "PUBLISH") else ())
        message = sender.send(sender.request(method, target, headers=extra))
        if method != "REFER":
            challenge = sender.expect(407, call_id=message.get("Call-ID"))
            message = sender.send(sender.request(
                method, target, call_id=message.get("Call-ID"), cseq=2,
                headers=(*extra, sender.credentials(challenge, method, target))))
        request = receiver.expect(method)
        passed = [(n, v) for n, v in request.headers if n.lower() in ("x-first", "subject", "x-second")]
        wanted = [(name, value.strip()) for name, value in UNKNOWN_HEADERS]
        require(passed == wanted, f"{method}: sent {wanted}, arrived {passed}")
        receiver.send(receiver.reply(request, 200, "OK", headers=(("Expires", "0"),)))
        sender.expect(200, call_id=message.get("Call-ID"))


def test_requests_within_a_dialog_pass_both_ways(stage):
    outside, inside = registered_pair(stage.lab)
    call = ScriptedCall.connect(outside, inside)
    pairs = ((call.caller_dialog, inside.peer, outside.peer),
             (call.callee_dialog, outside.peer, inside.peer))
    for method in ("INFO", "MESSAGE", "NOTIFY", "REFER", "OPTIONS"):
        for dialog, receiver, sender in pairs:
            extra = {"NOTIFY": (("Event", "refer"), ("Subscription-State", "active")),
                     "REFER": (("Refer-To", f"<sip:c@{plan.DOMAIN}>"),)}.get(method, ())
            dialog.send(method, headers=extra)
            receiver.send(receiver.reply(receiver.expect(method), 200, "OK"))
            sender.expect(200)
    call.end()


def test_max_forwards_ends_at_0(stage):
    outside, inside = registered_pair(stage.lab)
    peer = outside.peer
    peer.send(peer.request("OPTIONS", inside.uri, max_forwards=0))
    peer.expect(483)


def test_double_crlf_is_answered_with_one(stage):
    """RFC 5626 3.5.1: the pong of E's keep-alive."""
    keen = outside_phone(stage.lab, "keen").register()
    keen.peer.send_bytes(b"\r\n\r\n")
    keen.peer.connection.settimeout(5)
    require(keen.peer.connection.recv(16) == b"\r\n", "no pong")
    keen.close()


def test_a_call_to_a_flow_that_is_gone_fails_at_once(stage):
    outside, inside = registered_pair(stage.lab)
    gone = outside_phone(stage.lab, "gone").register()
    gone.close()
    peer = inside.peer
    invite = peer.invite(f"sip:gone@{plan.DOMAIN}", inside.offer())
    refusal = peer.expect(4, call_id=invite.get("Call-ID"))
    require(refusal.status in (430, 480), f"told {refusal.start_line}")
    peer.acknowledge(invite, refusal)
    inside.end_media()
