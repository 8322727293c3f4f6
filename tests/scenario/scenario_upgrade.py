# SPDX-License-Identifier: Apache-2.0
"""Another program takes over from a running control plane: no packet is lost, no phone notices, nobody is refused."""
import shutil
import threading
import time
from types import SimpleNamespace

from lab import plan, sdp
from lab.media_load import MediaLoad
from lab.report import require
from lab.scripted_phone import ScriptedCall, registered_pair

CALLS = 10
PACKETS_PER_S = 1000  # of each call and direction
MOST_PACKETS_PER_S = 20 * PACKETS_PER_S  # a sender that a busy machine held up makes up for it
HALF_A_SECOND = CALLS * PACKETS_PER_S // 2
COUNTS_LOSS = True


class Visitors:
    """Connects to E's port for phones again and again; keeps what became of those that were not let in."""

    def __init__(self, lab):
        self._space = lab.spaces["home"]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.visits = 0
        self.refusals = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *problem):
        self._end.set()
        self._thread.join(10)

    def await_more(self, count, timeout_s=20):
        wanted, deadline = self.visits + count, time.monotonic() + timeout_s
        while self.visits < wanted:
            require(time.monotonic() < deadline, f"nobody comes in any more: {self.refusals[-1:]}")
            time.sleep(0.02)

    def _run(self):
        while not self._end.wait(0.02):
            try:
                self._space.connect(plan.EDGE_OUTSIDE.host4, plan.SIP_TLS_PORT).close()
                self.visits += 1
            except OSError as problem:
                self.refusals.append(str(problem))


def setup(lab):
    lab.start_peers()
    lab.start_nodes(max_packets_per_s=MOST_PACKETS_PER_S)
    phone, desk = lab.home_phone("a", video=False), lab.desk_phone("b", video=False)
    phone.start()
    desk.start()
    calls = [ScriptedCall.connect(*registered_pair(lab)) for _ in range(CALLS)]
    for call in calls:
        call.talk(0.2)
    # A file of its own, as a package would leave it beside the one that runs.
    program = lab.folder / "sallyport-controlplane.new"
    shutil.copy(lab.build / "controlplane" / "sallyport-controlplane", program)
    program.chmod(0o755)
    return SimpleNamespace(lab=lab, calls=calls, phone=phone, desk=desk, program=program)


def _source_of(stage):
    """Address and port from which E sees the phone: another connection would have another port."""
    return next(entry["source"] for entry in stage.lab.edge.ask("registrations") if entry["aor"] == stage.phone.address_of_record)


def _upgrade(stage, node):
    ids = {call["id"] for call in node.ask("calls", "--active")}
    before, source, mark = node.ask("status"), _source_of(stage), stage.phone.mark()
    with MediaLoad(stage.lab.build, stage.calls, PACKETS_PER_S) as load, Visitors(stage.lab) as visitors:
        load.go_on(HALF_A_SECOND)
        visitors.await_more(3)
        node.sallyport("upgrade", "--binary", stage.program)
        visitors.await_more(3)
        node.wait_answer(lambda listed: ids <= {call["id"] for call in listed}, "the calls that go on", words=("calls", "--active"))
        stage.lab.await_traversal(45)
        load.go_on(HALF_A_SECOND)
        tally = load.stop()
    after = node.ask("status")
    require(after["pid"] == before["pid"] and after["instance"] != before["instance"], f"{before}, then {after}")
    require(tally.lost == 0 and tally.to_callee.repeated == 0, f"{tally}, silence of {tally.longest_gap_ms:.0f} ms, {tally.to_callee.lost} to the callees")
    require(not visitors.refusals, f"refused beside {visitors.visits} who were let in: {visitors.refusals[:3]}")
    require(_source_of(stage) == source, f"the phone came from {source} and now from {_source_of(stage)}")
    noticed = [line for line in stage.phone.trace().splitlines()[mark:] if "failed" in line.lower() or "reset by peer" in line.lower()]
    require(not noticed, f"the phone noticed: {noticed[:3]}")
    return f"{tally}; {visitors.visits} who connected meanwhile were let in"


def _hold_and_resume(call):
    seen = call.reinvite(call.caller, call.callee, call.caller.offer(direction="sendonly"), "recvonly")
    require(sdp.streams_of(seen)[0].direction == "sendonly", "the hold did not arrive")
    call.reinvite(call.callee, call.caller, call.callee.offer())
    call.talk(0.2)


def _is_called(stage):
    stage.phone.forget_events()
    stage.desk.dial(stage.phone.address_of_record)
    stage.phone.expect_incoming()
    stage.phone.answer()
    stage.desk.expect_established()
    stage.desk.hang_up()
    stage.phone.expect_closed()


def test_another_program_takes_over_from_e(stage):
    return _upgrade(stage, stage.lab.edge)


def test_calls_over_the_connections_of_before_are_held_and_the_phone_is_called(stage):
    for call in stage.calls[:2]:
        _hold_and_resume(call)
    _is_called(stage)


def test_another_program_takes_over_from_c(stage):
    return _upgrade(stage, stage.lab.core)


def test_e_is_replaced_once_more_and_everything_still_goes_on(stage):
    """The connections then are carried by a process that two control planes ago was the node."""
    remarks = _upgrade(stage, stage.lab.edge)
    for call in stage.calls[:2]:
        _hold_and_resume(call)
    _is_called(stage)
    return remarks


def _is_refused(stage, words, text):
    node = stage.lab.edge
    before = node.ask("status")
    code, _, complaint = node.try_sallyport("upgrade", *words)
    require(code == 1 and text in complaint, f"ended with {code}: {complaint}")
    require(node.ask("status")["instance"] == before["instance"], "it was replaced all the same")


def test_a_program_that_is_not_fit_changes_nothing(stage):
    broken = stage.lab.folder / "broken"
    broken.write_bytes(b"\x7fELF and then nothing")
    broken.chmod(0o755)
    _is_refused(stage, ("--binary", broken), "cannot be started")
    _is_refused(stage, ("--binary", "/bin/true"), "does not take over")
    _is_refused(stage, ("--binary", stage.lab.folder / "nowhere"), "No such file")
    anyones = stage.lab.folder / "anyones"
    shutil.copy(stage.program, anyones)
    anyones.chmod(0o777)
    _is_refused(stage, ("--binary", anyones), "can be written by others")


def test_a_node_file_that_the_new_program_refuses_changes_nothing(stage):
    path = stage.lab.edge.config_path
    text = path.read_text()
    path.write_text(text + "\n[dataplane.nonsense]\nfolws = 1\n")
    try:
        _is_refused(stage, ("--binary", stage.program), "there is no such")
    finally:
        path.write_text(text)


def test_the_calls_are_hung_up_as_if_nothing_had_been(stage):
    for number, call in enumerate(stage.calls):
        call.end(by_callee=number % 2 == 1)
    for node in (stage.lab.edge, stage.lab.core):
        node.wait_answer(lambda calls: not calls, "the end of the calls", words=("calls", "--active"))
        node.wait_answer(lambda flows: not flows, "the end of their flows", words=("flows",))
