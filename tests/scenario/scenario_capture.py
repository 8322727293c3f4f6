# SPDX-License-Identifier: Apache-2.0
"""`sallyport capture` on a call that runs: every packet of both legs, sealed unless somebody may and does ask otherwise."""
import base64
import json
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

from lab import capture, command, pcapng
from lab.conversation import Conversation
from lab.report import require
from lab.scripted_phone import ScriptedCall, registered_pair

REFUSED, UNREACHABLE = 4, 3
PACKETS = 50
TONE_HZ, OTHER_HZ = 440, 1000


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    outside, inside = registered_pair(lab)
    call = ScriptedCall.connect(outside, inside)
    call.talk(0.3)
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, call=call, number=0)


def _id(node):
    return node.ask("calls", "--active")[0]["id"]


def _path(stage, node):
    stage.number += 1
    return node.folder / f"capture{stage.number}.pcap"


def _await(holds, what, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not holds():
        require(time.monotonic() < deadline, f"no {what} within {timeout_s} s")
        time.sleep(0.02)


@contextmanager
def _capturing(stage, node, *options):
    """A capture that has begun to copy; yields its process and file, and ends it."""
    path = _path(stage, node)
    before = node.counter("sallyport_dataplane_captured_total")
    child = subprocess.Popen([node.program, "--socket", node.socket_path, "capture", _id(node), "--file", path, *options],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while node.counter("sallyport_dataplane_captured_total") < before + 8:
            require(child.poll() is None, f"the capture ended with {child.poll()}")
            require(time.monotonic() < deadline, "nothing is copied")
            stage.call.caller.rtp.send_tone(TONE_HZ)
            stage.call.callee.rtp.send_tone(OTHER_HZ)
            time.sleep(0.02)
        yield SimpleNamespace(child=child, path=path)
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)


def _say(stage):
    """Fifty packets each way at their pace; the numbers they were sent with."""
    ends = (stage.call.caller.rtp, stage.call.callee.rtp)
    first = [end._sequence for end in ends]
    stage.call.caller.rtp.listen_until(lambda _: False, 0)
    begin = time.monotonic()
    for number in range(1, PACKETS + 1):
        ends[0].send_tone(TONE_HZ)
        ends[1].send_tone(OTHER_HZ)
        ends[0].take_until(begin + number * 0.02)
        ends[1].take_until(0)
    return [range(start, start + PACKETS) for start in first]


def _seen(path, numbers, legs):
    """For each leg and way how many of the packets that were said are in the file, each once. legs: the caller's side first."""
    up, down = (set(each) for each in numbers)
    seen = Counter()
    for frame in pcapng.frames(path):
        said = up if (frame.leg == legs[0]) == frame.inbound else down
        if frame.sequence in said:
            seen[frame.leg, frame.inbound, frame.sequence] += 1
    require(all(count == 1 for count in seen.values()), f"a packet is there twice: {seen.most_common(3)}")
    return Counter((leg, inbound) for leg, inbound, _ in seen)


def _await_all(path, numbers, legs):
    wanted = {(leg, inbound): PACKETS for leg in legs for inbound in (True, False)}
    _await(lambda: _seen(path, numbers, legs) == wanted, f"complete capture; there is {_seen(path, numbers, legs)}")


def _tones(path):
    return capture.clear_media([frame.datagram for frame in pcapng.frames(path)], (TONE_HZ, OTHER_HZ))


def _require_no_keys(stage, path):
    data = path.read_bytes()
    for end in (stage.call.caller.rtp, stage.call.callee.rtp):
        for inline in (end.keys or ())[1:]:
            require(base64.b64decode(inline.split("|")[0])[:16] not in data, "a media key is in the capture")


def test_e_gives_every_packet_of_both_legs_and_nothing_in_the_clear(stage):
    with _capturing(stage, stage.edge) as taken:
        numbers = _say(stage)
        _await_all(taken.path, numbers, ("client", "traversal"))
    frames = pcapng.frames(taken.path)
    require(all(frame.is_whole for frame in frames), "a sealed packet was cut")
    require(not _tones(taken.path), f"clear media: {_tones(taken.path)}")
    bits = capture.entropy([frame.datagram for frame in frames])
    require(len(bits) == 4 and all(value > 7 for _, value in bits.values()), f"not sealed: {bits}")
    times = [frame.unix_ns for frame in frames]
    require(times == sorted(times) and abs(times[-1] / 1e9 - time.time()) < 60, "the times are wrong")
    _require_no_keys(stage, taken.path)
    return f"{len(frames)} packets"


def test_tcpdump_reads_the_file(stage):
    path = _path(stage, stage.edge)
    child = subprocess.Popen([stage.edge.program, "--socket", stage.edge.socket_path, "--json", "capture", _id(stage.edge), "--file", path,
                              "--packets", "40"], stdout=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 20
    while child.poll() is None:
        require(time.monotonic() < deadline, "a capture of 40 packets does not end")
        stage.call.caller.rtp.send_tone(TONE_HZ)
        stage.call.callee.rtp.send_tone(OTHER_HZ)
        time.sleep(0.02)
    told = json.loads(child.communicate()[0])
    require(child.returncode == 0 and told["packets"] == 40 and told["lost"] == 0, f"{child.returncode}: {told}")
    lines = [line for line in command.run("tcpdump", "-n", "-r", path).splitlines() if " UDP, length " in line or "IP" in line]
    require(len(lines) == 40, f"tcpdump shows {len(lines)} packets")
    require(path.stat().st_mode & 0o777 == 0o600, "others may read the file")


def test_c_cuts_what_is_in_the_clear(stage):
    with _capturing(stage, stage.core) as taken:
        numbers = _say(stage)
        _await_all(taken.path, numbers, ("traversal", "inside"))
    frames = pcapng.frames(taken.path)
    for frame in frames:
        require(frame.is_whole == (frame.leg == "traversal"), f"{frame.leg}: {len(frame.frame)} of {frame.wire_bytes} bytes")
    require(not _tones(taken.path), f"clear media: {_tones(taken.path)}")
    _require_no_keys(stage, taken.path)


def test_decrypted_is_refused_where_it_is_not_allowed_and_the_refusal_is_logged(stage):
    for node, word in ((stage.core, "media.decrypted_capture"), (stage.edge, "E holds no media keys")):
        mark = node.controlplane.mark()
        path = _path(stage, node)
        code, _, complaint = node.try_sallyport("capture", _id(node), "--file", path, "--decrypted")
        require(code == REFUSED and word in complaint, f"{node.role}: {code}, {complaint}")
        require(not path.exists(), f"{node.role}: a file of a capture that was refused")
        node.controlplane.wait_for(rf"warn security uid 0 may not capture call {_id(node)} DECRYPTED", since=mark)


def test_c_decrypts_when_its_node_file_allows_it(stage):
    core = stage.core
    good = core.config_path.read_text()
    core.config_path.write_text(good.replace("[media]\n", '[media]\ndecrypted_capture = "on"\n'))
    mark = core.controlplane.mark()
    core.reload()
    core.controlplane.wait_for("reload done", since=mark)
    with _capturing(stage, core, "--decrypted") as taken:
        up, down = _say(stage)
        _await(lambda: {("inside", n) for n in up} | {("traversal", n) for n in down} <=
               {(frame.leg, frame.sequence) for frame in pcapng.frames(taken.path)}, "decrypted packet of each one said")
    core.controlplane.wait_for(rf"warn security uid 0 captures call {_id(core)} DECRYPTED", since=mark)
    core.controlplane.wait_for(r"warn security uid 0 ends the capture of call \w+ DECRYPTED", since=mark)
    tones = _tones(taken.path)
    require(len(tones) == 2 and all(count >= PACKETS for count in tones.values()), f"not decrypted: {tones}")
    _require_no_keys(stage, taken.path)
    core.config_path.write_text(good)
    mark = core.controlplane.mark()
    core.reload()
    core.controlplane.wait_for("reload done", since=mark)
    code, _, _ = core.try_sallyport("capture", _id(core), "--file", _path(stage, core), "--decrypted")
    require(code == REFUSED, "it may still be decrypted")


def test_captures_that_begin_and_end_lose_no_packet_of_the_call(stage):
    with Conversation(stage.call) as talk:
        for node in (stage.edge, stage.core):
            talk.go_on(0.2)
            child = subprocess.Popen([node.program, "--socket", node.socket_path, "capture", _id(node), "--file", _path(stage, node), "--packets", "60"],
                                     stdout=subprocess.DEVNULL, start_new_session=True)
            _await(lambda one=child: one.poll() is not None, "end of a capture of 60 packets")
            require(child.returncode == 0, f"{node.role}: the capture ended with {child.returncode}")
        talk.go_on(0.2)
    talk.require_whole()


def test_wrong_calls_and_files_are_told(stage):
    edge = stage.edge
    taken = _path(stage, edge)
    taken.write_text("mine")
    for words, text in ((("no-such-call", "--file", _path(stage, edge)), "no-such-call: is not known"),
                        ((_id(edge), "--file", taken), "exists already"),
                        ((_id(edge), "--file", "/no/such/folder/x.pcap"), "cannot be written")):
        code, _, complaint = edge.try_sallyport("capture", *words)
        require(code == REFUSED and text in complaint, f"{words}: {code}, {complaint}")
    require(taken.read_text() == "mine", "a file of the user's was overwritten")


def test_nothing_is_copied_any_more_when_reader_or_control_plane_dies(stage):
    edge = stage.edge
    counter = "sallyport_dataplane_captured_total"
    with _capturing(stage, edge) as taken:
        taken.child.kill()
        taken.child.wait()
    edge.controlplane.wait_for(r"ends the capture of call \w+: \d+ packets, its reader has gone")
    before = edge.counter(counter)
    stage.call.talk(0.3)
    require(edge.counter(counter) == before, "copies go on without a reader")
    with _capturing(stage, edge) as taken:
        edge.kill_controlplane()
        _, complaint = taken.child.communicate(timeout=10)
        require(taken.child.returncode == UNREACHABLE and "went away" in complaint, f"{taken.child.returncode}: {complaint}")
        edge.start_controlplane()
        edge.wait_ready()
    before = edge.counter(counter)
    stage.call.talk(0.3)
    require(edge.counter(counter) == before, "copies go on without a control plane that asked for them")
    require(all(frame.is_whole for frame in pcapng.frames(taken.path)), "the file is not whole")
