# SPDX-License-Identifier: Apache-2.0
"""One run's whole world: namespaces, peers, nodes and phones, taken away again however it ends."""
import itertools
import os
import re
import shutil
import signal
from pathlib import Path

from . import firewall, name_server, node_config, plan
from .call_control import CallControl
from .capture import Capture
from .certificates import Wallet
from .estate import Estate, remove_leftovers
from .node import TREE, Node
from .phone import Phone
from .topology import Topology

PROXY_BY_DNS = f"sip:{plan.DOMAIN};transport=tls"
PHONE_TONES_HZ = {"a": 440, "b": 1000}


class Interrupted(BaseException):
    """SIGINT or SIGTERM asked for the end. Not an Exception: no check may swallow it."""


class Lab:
    """Use as a context manager. What it starts, it stops in reverse; keep_logs copies logs out first.

    is_long: cases that can be longer or repeated for more have the time for it.
    """

    def __init__(self, label, build=TREE / "build", keep_logs=None, is_long=False):
        self.build = Path(build).resolve()  # nodes run in folders of their own
        self.is_long = is_long
        self.leftovers = []
        self._estate = Estate(label)
        if self._estate.is_taken():
            self._estate = Estate(f"{label}-{os.getpid()}")
        self._keep_logs = keep_logs
        self._running = []
        self._numbers = itertools.count(1)
        self.spaces = self.edge = self.core = None

    @property
    def folder(self):
        return self._estate.folder

    def __enter__(self):
        _raise_on_signals()
        self.leftovers = remove_leftovers()
        self._estate.open()
        try:
            self.spaces = Topology(self._estate)
            self.spaces.build()
            firewall.load(self.spaces["homertr"], firewall.HOME_NAT)
            self.inner_firewall = firewall.InnerFirewall(self.spaces["firewall"])
            self.inner_firewall.raise_rules()
            self.wallet = Wallet(self.folder / "certificates")
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind, problem, trace):
        self._close()

    def start_peers(self):
        """DNS outside and inside, and Kamailio."""
        public = name_server.NameServer(self.spaces["internet"], name_server.PUBLIC_ZONE,
                                        self.folder, "dns-public")
        private = name_server.NameServer(self.spaces["cm"], name_server.PRIVATE_ZONE,
                                         self.folder, "dns-private")
        self.public_dns, self.private_dns = self._begin(public), self._begin(private)
        self.call_control = self._begin(CallControl(
            self.spaces["cm"], plan.CM, self.wallet.cm, self.wallet.authority.certificate,
            self.folder))

    def start_second_call_control(self):
        """Another Kamailio with bindings of its own, at plan.CM2."""
        self.spaces.add_address("cm", plan.CM2.interface, plan.CM2.ipv4)
        self.spaces.add_address("cm", plan.CM2.interface, plan.CM2.ipv6)
        self.second_call_control = self._begin(CallControl(
            self.spaces["cm"], plan.CM2, self.wallet.cm, self.wallet.authority.certificate,
            self.folder, "kamailio2", plan.CM2_NAME))

    def make_nodes(self, **variations):
        """E and C with their configuration written, not started. See node_config.Settings."""
        self._make_edge(variations)
        self._make_core(variations)

    def start_nodes(self, **variations):
        """E and C running, and the traversal zone between them active."""
        self.make_nodes(**variations)
        self.edge.start()
        self.core.start()
        self.await_traversal()

    def replace_edge(self, **variations):
        """Stops E and starts it anew with other settings and an empty store."""
        self.edge.stop()
        self._make_edge(variations)
        self.edge.start()

    def replace_core(self, **variations):
        self.core.stop()
        self._make_core(variations)
        self.core.start()

    def await_traversal(self, timeout_s=20.0):
        """Waits until signalling and media pass between the nodes; returns C's view of the zones."""
        self.edge.wait_answer(node_config.is_connected, "a connected C with its media link",
                              timeout_s, words=("zones",))
        return self.core.wait_answer(node_config.is_connected, "an active peer with its media link",
                                     timeout_s, words=("zones",))

    def await_refusal(self, pattern, timeout_s=20.0):
        """Waits until C shows a peer as failed with a reason that matches; returns the reason."""
        def reason_of(zones):
            return next((peer["reason"] for peer in node_config.peers_of(zones)
                         if peer["state"] == "failed" and re.search(pattern, peer["reason"], re.I)), "")

        return reason_of(self.core.wait_answer(reason_of, f"a failure that names /{pattern}/",
                                               timeout_s, words=("zones",)))

    def home_phone(self, user="a", index=0, **options):
        """A phone behind the home router: TLS and mandatory SDES, finds E by DNS."""
        options = {"transport": "tls", "outbound": PROXY_BY_DNS, "media_encryption": "srtp-mand",
                   "ca_file": self.wallet.authority.certificate, "video": True, **options}
        return self._phone(user, plan.HOME, index, options)

    def desk_phone(self, user="b", index=0, **options):
        """A phone inside: plain SIP over UDP and plain RTP, registered at Kamailio."""
        options = {"outbound": f"sip:{plan.CM.host4}", "video": True, **options}
        return self._phone(user, plan.DESK, index, options)

    def capture(self, namespace, interface, name, what="udp"):
        return self._begin(Capture(self.spaces[namespace], interface, self.folder, name, what))

    def keep(self, part):
        """Registers something with stop() for the end of the run."""
        self._running.append(part)
        return part

    def next_number(self):
        """Never the same twice in a run: for names that must differ."""
        return next(self._numbers)

    def _phone(self, user, face, index, options):
        tone_hz = options.pop("tone_hz", PHONE_TONES_HZ.get(user, 700))
        return self.keep(Phone(user, self.spaces[face.namespace], face, self.folder, tone_hz,
                               index=index, **options))

    def _make_edge(self, variations):
        if self.is_long:
            # Scripted phones send no keep-alives (RFC 5626 4.4): in a long run E would take them for gone.
            variations = {**variations, "sip": {"flow_timer_s": 3600, **variations.get("sip", {})}}
        settings = node_config.varied(**variations)
        self.edge = self._node("E", "edge", node_config.edge(self.wallet, settings))

    def _make_core(self, variations):
        settings = node_config.varied(**variations)
        self.core = self._node("C", "core", node_config.core(self.wallet, settings))

    def _node(self, role, namespace, texts):
        node = Node(role, self.spaces[namespace], self.folder, self.build, *texts,
                    number=self.next_number())
        node.guard_relay_ports()
        return self.keep(node)

    def _begin(self, part):
        self.keep(part)
        part.start()
        return part

    def _close(self):
        _ignore_signals()
        try:
            self._stop_all()
            if self._keep_logs and self.folder.exists():
                _copy_logs(self.folder, Path(self._keep_logs))
        finally:
            self._estate.close()
            _default_signals()

    def _stop_all(self):
        """In reverse, so that phones can still unregister; what resists falls with its namespace."""
        for part in reversed(self._running):
            try:
                part.stop()
            except Exception as problem:  # the rest must be stopped all the same
                print(f"while stopping {getattr(part, 'name', part)}: {problem}")


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _raise_on_signals():
    def stop(number, frame):
        raise Interrupted(signal.Signals(number).name)

    for number in _ENDING:
        signal.signal(number, stop)


def _ignore_signals():
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _default_signals():
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _copy_logs(source, target):
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for log in source.rglob("*.log"):
        shutil.copy(log, target / "-".join(log.relative_to(source).parts))
