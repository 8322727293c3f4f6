# SPDX-License-Identifier: Apache-2.0
"""Pebble, the test authority of RFC 8555, on the internet; it validates on the ports of the real thing and refuses nonces now and then."""
import json
from pathlib import Path

from . import plan
from .process import Process

PORT, MANAGEMENT_PORT = 14000, 15000
REFUSED_NONCES_PERCENT = 30
URL = f"https://{plan.ACME_NAME}:{PORT}/dir"


class Pebble:
    def __init__(self, lab):
        self._space = lab.spaces["internet"]
        self._folder = Path(lab.folder) / "pebble"
        self._folder.mkdir()
        self._credential = lab.wallet.authority.issue("acme", plan.ACME_NAME, names=(plan.ACME_NAME,))
        self._process = None

    def start(self):
        here = plan.INTERNET_EDGE.host4
        config = self._folder / "pebble.json"
        config.write_text(json.dumps({"pebble": {
            "listenAddress": f"{here}:{PORT}", "managementListenAddress": f"{here}:{MANAGEMENT_PORT}",
            "certificate": str(self._credential.certificate), "privateKey": str(self._credential.key),
            "httpPort": 80, "tlsPort": 443, "externalAccountBindingRequired": False}}))
        self._process = Process("pebble", self._space, ["pebble", "-strict", "-config", config, "-dnsserver", f"{here}:53"], self._folder / "pebble.log",
                                env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": str(REFUSED_NONCES_PERCENT)})
        self._process.wait_for("ACME directory available|Listening on")

    def stop(self):
        if self._process:
            self._process.stop()
