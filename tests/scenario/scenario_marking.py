# SPDX-License-Identifier: Apache-2.0
"""DSCP on the wire: of audio, video and RTCP on every leg, of signalling, and after a reload that changes it."""
from types import SimpleNamespace

from lab import capture, plan
from lab.report import require
from lab.scripted_phone import ScriptedCall, registered_pair

EF, AF41, CS3, CS2 = 46, 34, 24, 16
OTHER_AUDIO = 40


def setup(lab):
    lab.start_peers()
    lab.start_nodes()
    outside, inside = registered_pair(lab)
    call = ScriptedCall.connect(outside, inside, kinds=("audio", "video"))
    call.talk(0.3)
    return SimpleNamespace(lab=lab, edge=lab.edge, core=lab.core, outside=outside, call=call, number=0)


class Wire:
    """Three places watched while the call talks, reports and its caller registers anew."""

    def __init__(self, stage):
        stage.number += 1
        watched = {space: stage.lab.capture(space, interface, f"marking-{space}{stage.number}", "udp or tcp port 5061")
                   for space, interface in (("home", "eth0"), ("desk", "eth0"), ("cm", "eth0"), ("firewall", "dmz"))}
        stage.call.talk(0.3)
        stage.call.report()
        stage.outside.register()
        for one in watched.values():
            one.stop()
        self._frames = {space: list(capture.frames_of(one.path)) for space, one in watched.items()}

    def marks(self, space, source, protocol=17, source_port=None, port=None):
        """The DSCPs of what came from there, each once; link control is left out."""
        found = set()
        for frame in self._frames[space]:
            if frame[12:14] != b"\x08\x00" or frame[23] != protocol or ".".join(map(str, frame[26:30])) != source:
                continue
            from_port, to_port = (int.from_bytes(frame[at:at + 2], "big") for at in (34, 36))
            if source_port not in (None, from_port) or port not in (None, to_port):
                continue
            if from_port in plan.MEDIA_MUX_PORTS and frame[42:46] == bytes(4):
                continue
            found.add(frame[15] >> 2)
        return found


def _require(found, *wanted, what):
    require(found == set(wanted), f"{what} is marked {sorted(found)}, not {sorted(wanted)}")


def test_media_is_marked_by_its_type_on_every_leg(stage):
    wire = Wire(stage)
    for who, space, node in ((stage.call.caller, "home", plan.EDGE_OUTSIDE), (stage.call.callee, "desk", plan.CORE)):
        audio, video = (stream.rtp.port for stream in who.streams)
        _require(wire.marks(space, node.host4, port=audio), EF, what=f"audio to {space}")
        _require(wire.marks(space, node.host4, port=video), AF41, what=f"video to {space}")
        _require(wire.marks(space, node.host4, port=audio + 1), EF, what=f"RTCP of audio to {space}")
    for node in (plan.EDGE_INSIDE, plan.CORE):
        _require(wire.marks("firewall", node.host4, source_port=plan.MEDIA_MUX_PORTS[0]), EF, AF41,
                 what=f"media on the link from {node.namespace}")


def test_signalling_is_marked(stage):
    wire = Wire(stage)
    _require(wire.marks("home", plan.EDGE_OUTSIDE.host4, protocol=6, source_port=plan.SIP_TLS_PORT), CS3, what="SIP over TLS to the phone")
    _require(wire.marks("cm", plan.CORE.host4, port=5060), CS3, what="SIP over UDP to call control")


def test_reload_marks_the_call_that_runs_anew(stage):
    edge = stage.edge
    good = edge.config_path.read_text()
    edge.config_path.write_text(good.replace("[media]\n", f"[media]\ndscp_audio = {OTHER_AUDIO}\ndscp_rtcp = {CS2}\n"))
    mark = edge.controlplane.mark()
    edge.reload()
    edge.controlplane.wait_for("reload done", since=mark)
    stage.call.talk(0.3)
    wire = Wire(stage)
    audio, video = (stream.rtp.port for stream in stage.call.caller.streams)
    _require(wire.marks("home", plan.EDGE_OUTSIDE.host4, port=audio), OTHER_AUDIO, what="audio to the phone")
    _require(wire.marks("home", plan.EDGE_OUTSIDE.host4, port=video), AF41, what="video to the phone")
    _require(wire.marks("home", plan.EDGE_OUTSIDE.host4, port=audio + 1), CS2, what="RTCP to the phone")
    audio = stage.call.callee.streams[0].rtp.port
    _require(wire.marks("desk", plan.CORE.host4, port=audio), EF, what="audio of C, which was not reloaded,")
