# SPDX-License-Identifier: Apache-2.0
"""The calls of the demonstration: each places one, looks at it while it is up, and ends it."""
from dataclasses import dataclass, field

from lab.report import require

A_TONE_HZ, B_TONE_HZ = 440, 1000
HEARD_S = 1.0


@dataclass
class CallRecord:
    """What the nodes said of a call while it was up: `sallyport calls show ID --json` of each."""
    title: str
    core: dict = field(default_factory=dict)
    edge: dict = field(default_factory=dict)


class DemoCalls:
    """Places the calls in order, reporting each by name. records holds what the nodes told."""

    def __init__(self, lab, phone_a, phone_b, report, long_call_s):
        self.lab = lab
        self.a = phone_a
        self.b = phone_b
        self.records = []
        self.while_up = lambda: None  # called once in the long call, when its keys are in use
        self._report = report
        self._long_call_s = long_call_s

    def place_all(self):
        for name, call in (("A calls B, a tone is heard at each end, A hangs up", self.a_calls_b),
                           ("B calls A, a tone is heard at each end, B hangs up", self.b_calls_a),
                           ("hold and resume", self.hold_and_resume),
                           ("a re-INVITE adds a stream", self.add_a_stream),
                           ("A cancels a call before it is answered", self.cancel),
                           ("B refuses a call", self.refuse),
                           (f"a call of {self._long_call_s} seconds with RTCP both ways",
                            self.long_call)):
            with self._report.check(name):
                try:
                    call(name)
                except Exception:
                    self.clear_lines()
                    raise

    def a_calls_b(self, title):
        self._connect(self.a, self.b)
        self._let_it_run(title)
        self._end(self.a, self.b)
        self._expect_tones()

    def b_calls_a(self, title):
        self._connect(self.b, self.a)
        self._let_it_run(title)
        self._end(self.b, self.a)
        self._expect_tones()

    def hold_and_resume(self, title):
        self._connect(self.a, self.b)
        self.a.await_media(25)
        self.a.hold()
        require("a=sendonly" in self.b.trace(), "B saw no offer with a=sendonly")
        self.a.resume()
        # The recorder of the phone stops at hold; counting packets that authenticate goes on.
        self._let_it_run(title)
        self._end(self.a, self.b)

    def add_a_stream(self, title):
        # The other way, removed and added again, would show nothing: baresip 1.0 takes a stream's
        # first key for good, and a stream that comes back has a new one.
        self._ring(self.a, self.b)
        self.b.decline_video()
        self.b.answer()
        self.a.expect_established()
        self.a.await_media(25)
        mark = self.a.mark()
        self.b.add_video()
        self.a.wait_for_trace(r"^m=video [1-9]", since=mark)
        self.a.await_video()
        self.b.await_video()
        self._let_it_run(title)
        self._end(self.a, self.b)

    def cancel(self, title):
        self._ring(self.a, self.b)
        self.a.cancel()
        self.b.expect_closed()
        self._expect_no_call()

    def refuse(self, title):
        self._ring(self.a, self.b)
        self.b.refuse()
        reason = self.a.expect_closed()
        require(reason.startswith("486"), f"A was told {reason!r}, not 486")
        self._expect_no_call()

    def long_call(self, title):
        self._connect(self.a, self.b)
        for phone in (self.a, self.b):
            phone.forget_events()
        self.a.await_media(self._long_call_s * 50 - 50, self._long_call_s + 5)
        for phone in (self.a, self.b):
            reports = phone.rtcp_reports()
            require(any(r["rx"]["sent"] > 0 for r in reports),
                    f"phone {phone.user} got no RTCP report with packets in it: {reports[-2:]}")
            lost = max(r["rx"]["lost"] for r in reports)
            require(lost == 0, f"phone {phone.user} reports {lost} packets lost")
        self._note(title)
        self.while_up()
        self._end(self.b, self.a)
        self._expect_tones(at_least_s=self._long_call_s * 0.8)

    def _ring(self, caller, callee):
        callee.forget_events()
        caller.dial(callee.address_of_record)
        callee.expect_incoming()
        caller.expect_ringing()

    def _connect(self, caller, callee):
        self._ring(caller, callee)
        callee.answer()
        caller.expect_established()

    def _let_it_run(self, title):
        self.a.await_media(100)
        self.b.await_media(100)
        self._note(title)

    def _end(self, who, other):
        who.hang_up()
        other.expect_closed()
        self._expect_no_call()

    def _expect_no_call(self):
        """Neither node may go on to hold a call, and with it ports, that the phones have ended."""
        for node in (self.lab.core, self.lab.edge):
            node.wait_answer(lambda calls: not calls, "an empty list of calls", 5,
                             words=("calls", "--active"))

    def _expect_tones(self, at_least_s=HEARD_S):
        for phone, tone_hz in ((self.b, A_TONE_HZ), (self.a, B_TONE_HZ)):
            seconds = phone.heard_seconds(tone_hz, at_least_s)
            require(seconds >= at_least_s,
                    f"phone {phone.user} heard {tone_hz} Hz for {seconds:.1f} s of {at_least_s} s")

    def _note(self, title):
        """Asks both nodes about the one call that is up, while it is up."""
        record = CallRecord(title)
        record.core = self._ask_about_call(self.lab.core)
        record.edge = self._ask_about_call(self.lab.edge)
        self.records.append(record)

    def _ask_about_call(self, node):
        calls = node.ask("calls", "--active")
        listed = "; ".join(f"{c['id']} {c['from']} to {c['to']}, {c['state']}" for c in calls)
        require(len(calls) == 1, f"{node.role} lists {len(calls)} calls where one is up: {listed}")
        return node.ask("calls", "show", calls[0]["id"])

    def clear_lines(self):
        """After a failure: no call may be left over to confuse the next one."""
        for phone in (self.a, self.b):
            phone.hang_up()
