# SPDX-License-Identifier: Apache-2.0
"""A real browser in a namespace: Chromium without a screen, led by its driver over W3C WebDriver."""
import http.client
import json
import os
import time
from pathlib import Path

from . import command
from .process import Process

DRIVER_PORT = 9515
PATIENCE_S = 20
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # how WebDriver names a reference in JSON

# Resolves with the first visible and enabled element that fits, as soon as the page has it; null when the time is over.
_AWAIT = """
const [selector, text, scope, patience_ms, done] = arguments;
const fits = (each) => each.checkVisibility() && !each.disabled && (text === null || each.textContent.trim().replace(/\\s+/g, ' ').includes(text));
const find = () => [...(scope ?? document).querySelectorAll(selector)].find(fits) ?? null;
if (find()) return done(find());
const watcher = new MutationObserver(() => find() && end(find()));
const clock = setTimeout(() => end(null), patience_ms);
function end(found) { watcher.disconnect(); clearTimeout(clock); done(found); }
watcher.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""


class BrowserFailed(RuntimeError):
    """The page did not come to show what a test waits for, or the driver refused."""


class Browser:
    """Trusts `authority` and no other; `hosts`: names and where they are. What it saves goes to `downloads`. Elements are the driver's references."""

    def __init__(self, namespace, folder, authority, hosts):
        self._namespace, self._hosts = namespace, hosts
        self._folder = Path(folder) / "browser"
        self.downloads = self._folder / "downloads"
        self.downloads.mkdir(parents=True)
        self._trust(authority)
        self._driver = Process("chromedriver", namespace, ["chromedriver", f"--port={DRIVER_PORT}"], self._folder / "chromedriver.log", env={"HOME": str(self._folder)})
        self._session = ""
        try:
            self._driver.wait_for("started successfully", PATIENCE_S)
            self._session = "/session/" + self._ask("POST", "/session", {"capabilities": {"alwaysMatch": self._capabilities()}})["sessionId"]
            self._ask("POST", f"{self._session}/timeouts", {"script": (PATIENCE_S + 10) * 1000, "pageLoad": PATIENCE_S * 1000})
        except BaseException:
            self._driver.stop()
            raise

    def stop(self):
        self._driver.stop()

    def open(self, url):
        self._ask("POST", f"{self._session}/url", {"url": url})

    def forget(self):
        """Its cookies: of the page that it shows."""
        self._ask("DELETE", f"{self._session}/cookie")

    def be_a_phone(self, width=360, height=740):
        self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}})

    def script(self, text, *arguments):
        return self._ask("POST", f"{self._session}/execute/sync", {"script": text, "args": list(arguments)})

    def await_element(self, selector, text=None, scope=None, patience_s=PATIENCE_S):
        """The first visible element that fits `selector` and holds `text`, once there is one."""
        deadline = time.monotonic() + patience_s
        while True:
            left_ms = max(int(1000 * (deadline - time.monotonic())), 0)
            try:
                found = self._ask("POST", f"{self._session}/execute/async", {"script": _AWAIT, "args": [selector, text, scope, left_ms]})
            except BrowserFailed:  # another page was loaded meanwhile
                if left_ms == 0:
                    raise
                continue
            if found is None:
                raise BrowserFailed(f"{selector} with {text!r} is not shown within {patience_s} s; the page says:\n{self.text()}")
            return found

    def shows(self, selector, text=None):
        """Whether such an element is visible at this moment."""
        return self.script("const [selector, text] = arguments; return [...document.querySelectorAll(selector)].some((each) => each.checkVisibility() && (text === null || each.textContent.includes(text)))", selector, text)

    def text(self, selector="body"):
        """What is to be read there now."""
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility()).map((each) => each.innerText)", selector)

    def press(self, text, within=None, kind="button"):
        scope = self.await_element(within) if within else None
        self.click(self.await_element(kind, text, scope))

    def click(self, element):
        self._ask("POST", f"{self._session}/element/{element[_ELEMENT]}/click", {})

    def input_of(self, label, within=None):
        """The input of that label: every input has one."""
        scope = self.await_element(within) if within else None
        return self.script("return arguments[0].control", self.await_element("label", label, scope))

    def fill(self, label, text, within=None):
        element = self.input_of(label, within)
        self._ask("POST", f"{self._session}/element/{element[_ELEMENT]}/clear", {})
        self.type(element, text)

    def choose(self, label, path, within=None):
        """A file for an input of files."""
        self.type(self.input_of(label, within), str(path))

    def select(self, label, value, within=None):
        self.script("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change', {bubbles: true}))", self.input_of(label, within), value)

    def type(self, element, text):
        self._ask("POST", f"{self._session}/element/{element[_ELEMENT]}/value", {"text": text})

    def type_at_focus(self, text):
        """As who has a keyboard and no mouse."""
        self.type(self._ask("GET", f"{self._session}/element/active"), text)

    def focused(self):
        return self.script("return document.activeElement.innerText || document.activeElement.labels?.[0]?.innerText || document.activeElement.tagName")

    def complaints(self):
        """What the console says of errors and of what the policy forbade, since it was asked last."""
        told = self._ask("POST", f"{self._session}/se/log", {"type": "browser"})
        # Answers that are refusals are told there too; a page is not wrong because of them.
        return [each["message"] for each in told if each["level"] == "SEVERE" and "Failed to load resource" not in each["message"]]

    def await_download(self, name, patience_s=PATIENCE_S):
        path = self.downloads / name
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if path.exists() and path.stat().st_size > 0:
                return path.read_text()
            self.script("return 0")  # a turn of the browser's own
        raise BrowserFailed(f"{name} was not saved within {patience_s} s; there is {os.listdir(self.downloads)}")

    def _capabilities(self):
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--no-proxy-server", "--host-resolver-rules=" + ",".join(f"MAP {name} {address}" for name, address in self._hosts.items()), "--window-size=1200,900", f"--user-data-dir={self._folder}/profile"]
        return {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"}, "unhandledPromptBehavior": "dismiss",
                "goog:chromeOptions": {"args": arguments, "prefs": {"download.default_directory": str(self.downloads), "credentials_enable_service": False}}}

    def _trust(self, authority):
        """Chromium looks for further authorities in a database of NSS below its user's home."""
        database = self._folder / ".pki" / "nssdb"
        database.mkdir(parents=True)
        command.run("certutil", "-d", f"sql:{database}", "-N", "--empty-password")
        command.run("certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "lab", "-i", authority)

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("localhost", DRIVER_PORT, timeout=PATIENCE_S + 30)
        connection.sock = self._namespace.connect("127.0.0.1", DRIVER_PORT, PATIENCE_S + 30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            told = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(told, dict) and "error" in told:
            raise BrowserFailed(f"{method} {path}: {told['error']}: {told['message'].splitlines()[0]}")
        return told
