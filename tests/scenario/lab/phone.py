# SPDX-License-Identifier: Apache-2.0
"""A phone: baresip without sound card, plays a tone file and records what it hears."""
import re
import time
from pathlib import Path

from . import plan, tone
from .call_control import password_of
from .control_link import ControlLink, Refused, Silence
from .process import Process

# baresip hangs up when its sound file ends: longer than any call of the lab.
TONE_S = 600

CONFIG = """\
poll_method epoll
sip_listen {listen}
sip_cafile {ca_file}
net_interface {interface}
dns_server {resolver}:53
call_local_timeout 60
call_max_calls 4
audio_player aubridge,none-{user}
audio_source aufile,{source}
audio_alert aubridge,alert-{user}
audio_level no
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_txmode poll
audio_buffer 20-160
video_source fakevideo,nil
video_display fakevideo,nil
video_size 64x48
video_bitrate 64000
video_fps 5
rtp_ports {first_port}-{last_port}
rtp_bandwidth 512-1024
rtcp_mux {rtcp_mux}
jitter_buffer_delay 1-5
rtp_stats yes
rtp_timeout 20
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
snd_path {folder}
module aubridge.so
module vp8.so
module fakevideo.so
module srtp.so
module dtls_srtp.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app debug_cmd.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
"""


class Phone:
    """One baresip with one account. Methods that act return when the phone has confirmed the act.

    index keeps ports of phones in one namespace apart; outbound is the proxy's URI or None for
    the registrar itself; media_encryption is baresip's mediaenc (None is plain RTP).
    """

    def __init__(self, user, namespace, face, folder, tone_hz, index=0, transport="udp",
                 outbound=None, media_encryption=None, ca_file=None, video=False, ipv6=False,
                 rtcp_mux=False, resolver=None, account_options=""):
        self.user = user
        self.tone_hz = tone_hz
        self.address_of_record = f"sip:{user}@{plan.DOMAIN}"
        self.log_path = Path(folder) / f"phone-{user}.log"
        self._namespace = namespace
        self._face = face
        self._folder = Path(folder) / f"phone-{user}"
        self._control_port = 4440 + index
        self._first_port = 10000 + 200 * index
        self._sip_port = 6060 + 10 * index
        self._transport = transport
        self._outbound = outbound
        self._media_encryption = media_encryption
        self._ca_file = ca_file or ""
        self._video = video
        self._ipv6 = ipv6
        self._rtcp_mux = rtcp_mux
        self._resolver = resolver or plan.RESOLVERS[face.namespace].host4
        self._account_options = account_options
        self._process = None
        self._link = None
        self._call_began = 0.0

    def start(self, register=True):
        """Starts baresip; with register, returns once its registration is accepted."""
        self._write_files()
        family = "-6" if self._ipv6 else "-4"
        self._process = Process(f"phone {self.user}", self._namespace,
                                ["baresip", family, "-s", "-f", self._folder], self.log_path)
        self._process.wait_for(r"baresip is ready", 15)
        self._link = ControlLink(self._namespace.connect("127.0.0.1", self._control_port),
                                 f"phone {self.user}")
        if register:
            self.await_registration()

    def await_registration(self, timeout_s=20.0):
        # The 200 may have come before the control link was there to report it.
        self._process.wait_for(r"200 OK \(.*\) \[\d+ binding", timeout_s)

    def dial(self, target):
        self._begin_call()
        self._link.ask("dial", target)

    def expect_ringing(self, timeout_s=10.0):
        return self._link.expect("CALL_RINGING", timeout_s, among=("CALL_PROGRESS",))

    def expect_incoming(self, timeout_s=10.0):
        event = self._link.expect("CALL_INCOMING", timeout_s)
        self._call_began = time.time()
        return event

    def expect_established(self, timeout_s=10.0):
        return self._link.expect("CALL_ESTABLISHED", timeout_s)

    def expect_closed(self, timeout_s=10.0):
        """Returns why the call ended, in baresip's words."""
        return self._link.expect("CALL_CLOSED", timeout_s).get("param", "")

    def expect(self, kind, timeout_s=10.0):
        return self._link.expect(kind, timeout_s)

    def answer(self):
        self._link.ask("accept")
        return self.expect_established()

    def refuse(self):
        """Hangs up an incoming call that was not answered: the caller gets 486."""
        self._link.ask("hangup")

    def hang_up(self):
        self._link.ask("hangup")

    def cancel(self):
        self._link.ask("hangup")

    def hold(self):
        self._reinvite("hold")

    def resume(self):
        self._reinvite("resume")

    def decline_video(self):
        """While it rings: the answer will have port 0 for the video stream, add_video() adds it later.

        baresip sets the direction and then complains that there is no session yet to change.
        """
        try:
            self._link.ask("video_dir", "inactive")
        except Refused:
            pass

    def remove_video(self):
        """A re-INVITE whose offer has port 0 for the video stream."""
        self._reinvite("video_dir", "inactive")

    def add_video(self):
        """A re-INVITE whose offer has a port for the video stream again."""
        self._reinvite("video_dir", "sendrecv")

    def command(self, name, params=""):
        return self._link.ask(name, params)

    def forget_events(self):
        self._link.forget()

    def mark(self):
        return self._process.mark()

    def wait_for_trace(self, pattern, timeout_s=10.0, since=0):
        """Waits for a line of the SIP trace; returns the match."""
        return self._process.wait_for(pattern, timeout_s, since)

    def trace(self):
        """All it printed, SIP messages included."""
        return self._process.output()

    def inline_keys(self):
        """Every SDES key that this phone sent or received, as base64 text."""
        return sorted(set(re.findall(r"inline:([A-Za-z0-9+/=]{20,})", self.trace())))

    def recordings(self):
        """What it heard in the current call, oldest first."""
        return [path for path in sorted(self._folder.glob("dump-*-dec.wav"))
                if path.stat().st_mtime >= self._call_began]

    def heard_seconds(self, frequency_hz, enough_s=1.0, timeout_s=3.0):
        """For how long a tone sounded in the call that has just ended.

        The recorder writes its file out a moment after it reports the call as closed, so that
        fewer than enough_s seconds are looked at again until the time is over.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            seconds = sum(tone.tone_seconds(path, frequency_hz) for path in self.recordings())
            if seconds >= enough_s or time.monotonic() >= deadline:
                return seconds
            time.sleep(0.05)

    def received_packets(self):
        """Audio packets of the running call that passed authentication, where there is any."""
        found = re.search(r"rcvd=(\d+)", self._link.ask("audio_debug"))
        return int(found.group(1)) if found else 0

    def await_media(self, packets=50, timeout_s=5.0):
        """Waits until this many more audio packets have come. The recorder stops at the first hold
        (baresip 1.0 does not put its filter back), the counter goes on."""
        self._await_growth(self.received_packets, packets, timeout_s, "audio")

    def received_video_packets(self):
        found = re.search(r"rcvd=(\d+)", self._link.ask("video_debug"))
        return int(found.group(1)) if found else 0

    def await_video(self, packets=5, timeout_s=5.0):
        self._await_growth(self.received_video_packets, packets, timeout_s, "video")

    def rtcp_reports(self):
        """What the CALL_RTCP events brought since the last forget: one dict each."""
        return [event["rtcp_stats"] for event in self._link.taken("CALL_RTCP")
                if "rtcp_stats" in event]

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        if self._link:
            try:
                self._link.ask("quit", timeout_s=1.0)
            except (Silence, Refused, OSError):
                pass
            self._link.close()
        if self._process:
            self._process.stop()

    def _reinvite(self, command, params=""):
        """Gives the command and waits for the SDP that answers its re-INVITE."""
        self._link.forget()
        self._link.ask(command, params)
        while self._link.expect("CALL_REMOTE_SDP")["param"] != "answer":
            pass

    def _await_growth(self, count, packets, timeout_s, kind):
        goal = count() + packets
        deadline = time.monotonic() + timeout_s
        while count() < goal:
            if time.monotonic() >= deadline:
                raise Silence(f"phone {self.user} got {packets - goal + count()} {kind} packets "
                              f"in {timeout_s} s, not {packets}")
            time.sleep(0.05)

    def _begin_call(self):
        self._link.forget()
        self._call_began = time.time()

    def _write_files(self):
        self._folder.mkdir(exist_ok=True)
        source = self._folder / "tone.wav"
        tone.write_wav(source, self.tone_hz, TONE_S)
        own = f"[{self._face.host6}]" if self._ipv6 else self._face.host4
        (self._folder / "config").write_text(CONFIG.format(
            listen=f"{own}:{self._sip_port}", ca_file=self._ca_file, user=self.user,
            interface=self._face.interface, resolver=self._resolver, source=source,
            first_port=self._first_port, last_port=self._first_port + 198,
            rtcp_mux="yes" if self._rtcp_mux else "no", folder=self._folder,
            control_port=self._control_port))
        (self._folder / "accounts").write_text(self._account())
        (self._folder / "contacts").write_text("")
        # No newline at the end: baresip would put it into its SIP headers.
        (self._folder / "uuid").write_text(f"{self._first_port:08x}-0000-4000-8000-0000000000aa")

    def _account(self):
        options = [f"auth_user={self.user}", f"auth_pass={password_of(self.user)}", "regint=60",
                   "answermode=manual", "audio_codecs=PCMU/8000/1",
                   "video_codecs=" + ("VP8" if self._video else "none")]
        if self._outbound:
            options += [f'outbound="{self._outbound}"', "sipnat=outbound"]
        if self._media_encryption:
            options.append(f"mediaenc={self._media_encryption}")
        extra = f";{self._account_options}" if self._account_options else ""
        return (f"<{self.address_of_record};transport={self._transport}>;"
                + ";".join(options) + extra + "\n")
