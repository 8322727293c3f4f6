# SPDX-License-Identifier: Apache-2.0
"""baresip's ctrl_tcp: netstrings of JSON; commands are answered, events come by themselves."""
import json
import threading
import time


class Silence(RuntimeError):
    """An event or an answer did not come in time."""


class Refused(RuntimeError):
    """baresip would not carry out a command."""


class ControlLink:
    """One control connection. A reader thread sorts what arrives into answers and queued events."""

    def __init__(self, connection, owner):
        self._connection = connection
        self._connection.settimeout(None)
        self._owner = owner
        self._events = []
        self._history = []
        self._answers = {}
        self._tokens = 0
        self._closed = False
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, command, params="", timeout_s=5.0):
        """Sends one command and returns the text of its answer."""
        with self._news:
            self._tokens += 1
            token = f"t{self._tokens}"
        body = json.dumps({"command": command, "params": params, "token": token}).encode()
        self._connection.sendall(b"%d:%s," % (len(body), body))
        answer = self._wait(lambda: self._answers.pop(token, None), timeout_s,
                            f"no answer to the command {command}")
        if not answer.get("ok"):
            raise Refused(f"{self._owner} refuses {command} {params}: {answer.get('data', '')}")
        return answer.get("data", "")

    def expect(self, kind, timeout_s=10.0, among=()):
        """Takes the next event of this kind (or of `among`) off the queue, dropping what came before."""
        kinds = (kind, *among)

        def take():
            for at, event in enumerate(self._events):
                if event.get("type") in kinds:
                    del self._events[:at + 1]
                    return event
            return None

        return self._wait(take, timeout_s, f"no {' or '.join(kinds)} within {timeout_s} s")

    def seen(self):
        """The types of the events that nobody has taken yet."""
        with self._news:
            return [event.get("type") for event in self._events]

    def taken(self, kind):
        """All events of one kind since the last forget(), taken or not; none is removed."""
        with self._news:
            return [event for event in self._history if event.get("type") == kind]

    def forget(self):
        """Drops events of an earlier call, so that expect() cannot take them for new ones."""
        with self._news:
            self._events.clear()
            self._history.clear()

    def close(self):
        self._closed = True
        self._connection.close()

    def _wait(self, look, timeout_s, complaint):
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                found = look()
                if found is not None:
                    return found
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._closed:
                    kinds = [event.get("type") for event in self._events]
                    raise Silence(f"{self._owner}: {complaint}; events waiting: {kinds}")
                self._news.wait(left_s)

    def _read(self):
        buffer = b""
        while True:
            try:
                data = self._connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            buffer += data
            while True:
                head, separator, rest = buffer.partition(b":")
                if not separator or len(rest) < int(head) + 1:
                    break
                size = int(head)
                self._sort(json.loads(rest[:size]))
                buffer = rest[size + 1:]
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _sort(self, message):
        with self._news:
            if message.get("response"):
                self._answers[message.get("token")] = message
            else:
                self._events.append(message)
                self._history.append(message)
            self._news.notify_all()
