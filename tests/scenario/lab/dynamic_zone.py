# SPDX-License-Identifier: Apache-2.0
"""bind9 on the internet with a zone that takes updates signed by TSIG; the public name server asks it for that zone."""
import shutil
from pathlib import Path

from . import plan
from .process import Process

KEY_NAME = "sallyport"
SECRET = "c2FsbHlwb3J0IGxhYiBrZXkgb2YgMzIgb2N0ZXRzISE="


class DynamicZone:
    address = f"{plan.INTERNET_EDGE.host4}:{plan.DYNAMIC_ZONE_PORT}"

    def __init__(self, lab):
        self._space = lab.spaces["internet"]
        self._folder = Path(lab.folder) / "named"
        self._folder.mkdir()
        self._process = None

    def start(self):
        (self._folder / "zone.db").write_text(f"$TTL 60\n@ SOA ns hostmaster 1 60 5 3600 5\n@ NS ns\nns A {plan.INTERNET_EDGE.host4}\n"
                                              f"@ A {plan.INTERNET_EDGE.host4}\n* A {plan.INTERNET_EDGE.host4}\n")
        config = self._folder / "named.conf"
        config.write_text(
            f'options {{ directory "{self._folder}"; listen-on port {plan.DYNAMIC_ZONE_PORT} {{ {plan.INTERNET_EDGE.host4}; }}; listen-on-v6 {{ none; }};\n'
            f'  pid-file "{self._folder}/pid"; session-keyfile "{self._folder}/session.key"; recursion no; dnssec-validation no; }};\ncontrols {{ }};\n'
            f'key "{KEY_NAME}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
            f'zone "{plan.DYNAMIC_DOMAIN}" {{ type primary; file "zone.db"; notify no; update-policy {{ grant {KEY_NAME} zonesub TXT; }}; }};\n')
        # A copy: the confinement that Debian has for the program's own path would keep it out of this folder.
        program = shutil.copy(shutil.which("named", path="/usr/sbin:/usr/bin:/sbin:/bin"), self._folder / "named")
        self._process = Process("named", self._space, [program, "-g", "-4", "-n", "1", "-c", config], self._folder / "named.log")
        self._process.wait_for(r"running$")

    def updates(self):
        return [line for line in self._process.output().splitlines() if "updating zone" in line]

    def stop(self):
        if self._process:
            self._process.stop()
