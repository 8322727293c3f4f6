# SPDX-License-Identifier: Apache-2.0
"""An XMPP client (slixmpp) as a program of its own, so that it runs inside a namespace. It prints what happens to it, a line each, and
takes commands over a Unix socket: "send JID TEXT", "presence JID TYPE", "abort", "quit"."""
import argparse
import asyncio
import ssl
import sys

import slixmpp


def tell(*words):
    print(*words, flush=True)


class Client(slixmpp.ClientXMPP):
    def __init__(self, options):
        super().__init__(options.jid, options.password)
        self.ca_certs = options.ca
        self.register_plugin("xep_0198")
        self.register_plugin("xep_0199")
        if options.resume:
            self.plugin["xep_0198"].allow_resume = True
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("session_resumed", lambda _: tell("resumed"))
        self.add_event_handler("message", self.on_message)
        self.add_event_handler("presence", lambda stanza: tell("presence", stanza["from"], stanza["type"]))
        self.add_event_handler("disconnected", lambda why: tell("disconnected", why))
        self.add_event_handler("failed_auth", lambda _: tell("failed_auth"))
        self.add_event_handler("stream_error", lambda error: tell("stream_error", error["condition"], error["text"]))
        self.add_event_handler("tls_success", lambda _: tell("tls"))

    async def on_start(self, _):
        self.send_presence()
        await self.get_roster()
        tell("online", self.boundjid.full)

    def on_message(self, stanza):
        if stanza["type"] == "error":
            tell("error", stanza["from"], stanza["error"]["condition"])
        elif stanza["body"]:
            tell("message", stanza["from"].bare, stanza["body"])


async def serve(client, reader, writer):
    while line := (await reader.readline()).decode().strip():
        word, _, rest = line.partition(" ")
        if word == "send":
            to, _, text = rest.partition(" ")
            client.send_message(mto=to, mbody=text, mtype="chat")
        elif word == "presence":
            to, _, kind = rest.partition(" ")
            client.send_presence(pto=to, ptype=kind)
        elif word == "abort":
            client.abort()
        elif word == "quit":
            client.disconnect()
        writer.write(b"done\n")
        await writer.drain()


def main():
    parser = argparse.ArgumentParser()
    for name in ("jid", "password", "host", "port", "ca", "socket"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    client = Client(options)
    loop = client.loop
    loop.run_until_complete(asyncio.start_unix_server(lambda r, w: serve(client, r, w), options.socket))
    client.connect((options.host, int(options.port)), use_ssl=options.direct)
    loop.run_forever()


if __name__ == "__main__":
    sys.exit(main())
