# SPDX-License-Identifier: Apache-2.0
"""Loss on the way: every nth datagram that matches, so that a test knows how many. Needs nft only."""


class Loss:
    """Use as a context manager. hook: "input" or "forward" of the namespace; match: nft's words.

    A drop on "output" would be an error to the sender.
    """

    def __init__(self, namespace, hook, match, every):
        self._namespace = namespace
        self._rule = f"{match} numgen inc mod {every} == 0 counter drop"
        self._hook = hook

    def __enter__(self):
        self._nft("add table inet impairment")
        self._nft(f"add chain inet impairment lossy {{ type filter hook {self._hook} priority 10; }}")
        self._nft(f"add rule inet impairment lossy {self._rule}")
        return self

    def __exit__(self, *problem):
        self._nft("delete table inet impairment")

    def _nft(self, words):
        self._namespace.run("nft", words)
