# SPDX-License-Identifier: Apache-2.0
"""Somebody at the HTTPS administration address of a node: one connection, one session, whatever a test wants to send."""
import http.client
import json
import ssl
from dataclasses import dataclass, field

PORT = 8443


@dataclass
class Answer:
    status: int
    fields: dict = field(default_factory=dict)  # names in lower case
    body: str = ""

    @property
    def json(self):
        return json.loads(self.body)


class Administrator:
    """Connects from a namespace to HOST, whose certificate must be by `authority` and have `name` as SAN (HOST by default)."""

    def __init__(self, namespace, host, authority, name=None):
        self._context = ssl.create_default_context(cafile=str(authority))
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._namespace, self.host, self._name = namespace, host, name or host
        self._connection = None
        self.cookie = self.csrf = ""

    def close(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    def ask(self, method, target, body=None, csrf=None, **fields):
        """One request over the connection that is open; a new one if there is none."""
        if self._connection is None:
            self._connect()
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.cookie:
            sent["Cookie"] = self.cookie
        csrf = self.csrf if csrf is None else csrf
        if csrf:
            sent["X-CSRF-Token"] = csrf
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        self._connection.request(method, target, text, sent)
        reply = self._connection.getresponse()
        answer = Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode())
        if reply.will_close:
            self.close()
        return answer

    def log_in(self, name, password):
        answer = self.ask("POST", "/v1/session", {"name": name, "password": password})
        if answer.status == 201:
            self.cookie = answer.fields["set-cookie"].partition(";")[0]
            self.csrf = answer.json["csrf_token"]
        return answer

    @property
    def serial(self):
        """Of the certificate that this connection was shown."""
        if self._connection is None:
            self._connect()
        return self._connection.sock.getpeercert()["serialNumber"]

    def _connect(self):
        self._connection = http.client.HTTPSConnection(self.host, PORT)
        link = self._namespace.connect(self.host, PORT, 20.0)
        self._connection.sock = self._context.wrap_socket(link, server_hostname=self._name)
