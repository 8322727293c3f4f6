# SPDX-License-Identifier: Apache-2.0
"""The calls of the demonstration and what must hold around them, in short."""
from types import SimpleNamespace

import demo_checks
from demo_calls import DemoCalls
from lab.report import Report, require

LONG_CALL_S = 12  # two RTCP reports of baresip, which sends one each 5 s


def setup(lab):
    lab.start_peers()
    stage = SimpleNamespace(lab=lab)
    stage.watched = [lab.capture("firewall", "dmz", "dmz-link"),
                     lab.capture("internet", "to-edge", "outside-link")]
    stage.control = lab.capture("desk", "eth0", "inside-link")
    lab.start_nodes()
    stage.a, stage.b = lab.home_phone("a"), lab.desk_phone("b")
    stage.a.start()
    stage.b.start()
    stage.calls = DemoCalls(lab, stage.a, stage.b, Report(), LONG_CALL_S)
    stage.calls.while_up = lambda: demo_checks.keys_stay_away_from_edge(lab, stage.a)
    return stage


def _place(stage, call):
    try:
        call(call.__name__)
    except Exception:
        stage.calls.clear_lines()
        raise


def test_the_phone_outside_finds_e_by_dns_and_registers_through_both_nodes(stage):
    demo_checks.found_by_dns(stage.lab)
    demo_checks.registered_through_both(stage.lab)
    for node in (stage.lab.edge, stage.lab.core):
        listed = [entry["aor"] for entry in node.ask("registrations")]
        require(stage.a.address_of_record in listed, f"{node.role} lists {listed}")


def test_a_calls_b(stage):
    _place(stage, stage.calls.a_calls_b)
    demo_checks.phone_speaks_srtp(stage.a)


def test_b_calls_a(stage):
    _place(stage, stage.calls.b_calls_a)


def test_hold_and_resume(stage):
    _place(stage, stage.calls.hold_and_resume)


def test_a_stream_is_added(stage):
    _place(stage, stage.calls.add_a_stream)


def test_the_caller_cancels(stage):
    _place(stage, stage.calls.cancel)


def test_the_callee_refuses(stage):
    _place(stage, stage.calls.refuse)


def test_a_longer_call_has_rtcp_both_ways_and_its_keys_stay_away_from_e(stage):
    _place(stage, stage.calls.long_call)


def test_c_measured_the_round_trip_of_both_legs_by_the_phones_own_rtcp(stage):
    record = stage.calls.records[-1]
    found = demo_checks.round_trips_are_known(record.core)
    return ", ".join(f"{side} {round_trip_ms:.1f} ms, MOS {mos:.2f}" for side, round_trip_ms, mos in found)


def test_both_nodes_tell_of_both_legs(stage):
    demo_checks.summaries_are_complete(stage.calls.records)


def test_e_opened_nothing_towards_c(stage):
    demo_checks.firewall_is_quiet(stage.lab)


def test_nothing_passed_the_dmz_in_clear(stage):
    for each in (*stage.watched, stage.control):
        each.stop()
    demo_checks.nothing_in_clear(stage.watched, stage.control)
