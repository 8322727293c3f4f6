# SPDX-License-Identifier: Apache-2.0
"""The OCSP responder of an authority, `openssl ocsp`, on the internet; what it says follows from the authority's database."""
from . import plan
from .process import Process

PORT = 8888


class OcspResponder:
    """Reads the database when it starts: OpenSSL 3.0 looks whether it changed only after the next question."""

    def __init__(self, lab, authority):
        self.url = f"http://{plan.INTERNET_EDGE.host4}:{PORT}/"
        self._lab, self._authority, self._process = lab, authority, None

    def start(self):
        own = self._authority.credential
        self._process = Process("ocsp", self._lab.spaces["internet"], ["openssl", "ocsp", "-port", PORT, "-index", self._authority.folder / "index.txt", "-CA", own.certificate,
                                "-rsigner", own.certificate, "-rkey", own.key, "-nmin", "60"], self._lab.folder / "ocsp.log")
        # A look at its port would be a connection without a request, with which OpenSSL 3.0's responder spins for ever.
        self._process.wait_for("waiting for OCSP client connections")

    def stop(self):
        if self._process:
            self._process.stop()
            self._process = None
