# SPDX-License-Identifier: Apache-2.0
"""The lab by itself: both phones at Kamailio without Sallyport, so that its failures are known apart."""
from types import SimpleNamespace

from lab import capture, plan
from lab.call_control import CallControl
from lab.key_search import in_files, in_memory, needles
from lab.report import require

def setup(lab):
    lab.start_peers()
    direct = f"sip:{plan.CM.host4}:5061;transport=tls"
    a = lab.desk_phone("a", index=1, transport="tls", outbound=direct,
                       ca_file=lab.wallet.authority.certificate)
    b = lab.desk_phone("b")
    a.start()
    b.start()
    return SimpleNamespace(lab=lab, a=a, b=b)


def _call(caller, callee):
    callee.forget_events()
    caller.dial(callee.address_of_record)
    callee.expect_incoming()
    caller.expect_ringing()
    callee.answer()
    caller.expect_established()


def test_registrations_stand_at_call_control(stage):
    for user in ("a", "b"):
        require(stage.lab.call_control.contacts(user), f"Kamailio has no binding for {user}")


def test_tones_are_heard_at_the_other_end(stage):
    _call(stage.a, stage.b)
    stage.a.await_media(100)
    stage.b.await_media(100)
    stage.a.hang_up()
    stage.b.expect_closed()
    require(stage.a.heard_seconds(1000) > 1, "A did not hear B's 1000 Hz")
    require(stage.b.heard_seconds(440) > 1, "B did not hear A's 440 Hz")
    require(stage.b.heard_seconds(1000, enough_s=0) < 0.2, "B heard its own tone")


def test_hold_stops_media_and_resume_brings_it_back(stage):
    _call(stage.a, stage.b)
    stage.a.await_media(25)
    stage.a.hold()
    stage.a.resume()
    stage.a.await_media(50)
    stage.b.await_media(50)
    stage.a.hang_up()
    stage.b.expect_closed()


def test_reinvite_adds_a_stream_and_removes_it(stage):
    stage.b.forget_events()
    stage.a.dial(stage.b.address_of_record)
    stage.b.expect_incoming()
    stage.b.decline_video()
    stage.b.answer()
    stage.a.expect_established()
    mark = stage.a.mark()
    stage.b.add_video()
    stage.a.wait_for_trace(r"^m=video [1-9]", since=mark)
    stage.b.await_video()
    stage.a.await_video()
    stage.a.remove_video()
    stage.b.await_media(25)
    stage.b.hang_up()
    stage.a.expect_closed()


def test_caller_cancels(stage):
    stage.b.forget_events()
    stage.a.dial(stage.b.address_of_record)
    stage.b.expect_incoming()
    stage.a.expect_ringing()
    stage.a.cancel()
    stage.b.expect_closed()


def test_callee_refuses(stage):
    stage.b.forget_events()
    stage.a.dial(stage.b.address_of_record)
    stage.b.expect_incoming()
    stage.b.refuse()
    reason = stage.a.expect_closed()
    require(reason.startswith("486"), f"A was told {reason!r}")


def test_the_capture_finds_clear_media_where_it_is_clear(stage):
    near = stage.lab.capture("desk", "lo", "clear-capture")
    _call(stage.b, stage.a)
    stage.a.await_media(50)
    stage.b.hang_up()
    stage.a.expect_closed()
    near.stop()
    flows = capture.clear_media(near.datagrams(), (440, 1000))
    require(len(flows) == 2, f"expected two clear flows, found {dict(flows)}")


def test_the_key_search_finds_keys_where_they_are(stage):
    guarded = stage.lab.desk_phone("a2", index=3, media_encryption="srtp-mand")
    other = stage.lab.desk_phone("b2", index=4, media_encryption="srtp-mand")
    guarded.start()
    other.start()
    _call(guarded, other)
    keys = needles(guarded.inline_keys())
    require(in_memory(guarded.pid, keys), "the phone's own memory does not show its keys")
    require(in_files([guarded.log_path], keys), "the phone's own trace does not show its keys")
    require(not in_memory(stage.b.pid, keys), "a phone outside the call shows the keys")
    guarded.hang_up()
    other.expect_closed()


def test_a_phone_behind_nat_finds_the_edge_by_dns(stage):
    """A registrar stands in E's place: discovery, NAT and TLS are the lab's, not the product's."""
    lab = stage.lab
    stand_in = lab.keep(CallControl(lab.spaces["edge"], plan.EDGE_OUTSIDE, lab.wallet.edge,
                                    lab.wallet.authority.certificate, lab.folder, "stand-in"))
    stand_in.start()
    phone = lab.home_phone("home")
    phone.start()
    require(any("_sips._tcp" in query for query in lab.public_dns.queries()), "no SRV query was seen")
    received = stand_in.contacts("home")[0]["Address"] + stand_in.contacts("home")[0]["Received"]
    require(plan.HOME_ROUTER_WAN.host4 in received, f"not seen behind the NAT address: {received}")
    phone.stop()
    stand_in.stop()


def test_the_inner_firewall_counts_what_the_dmz_tries(stage):
    lab = stage.lab
    before = lab.inner_firewall.counters()
    for face, port in ((plan.CORE, 5060), (plan.CM, 5060)):
        try:
            lab.spaces["edge"].connect(face.host4, port, timeout_s=0.3).close()
            raise AssertionError(f"the firewall let the DMZ reach {face.host4}:{port}")
        except TimeoutError:
            pass
    after = lab.inner_firewall.counters()
    require(after["edge_tried_inside"] > before["edge_tried_inside"], "the attempt was not counted")
