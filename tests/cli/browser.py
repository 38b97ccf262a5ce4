# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven through the WebDriver protocol: real clicks and keys on a real page."""

import base64
import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request

from harness import Skip, eventually, free_port, launch

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name of a reference to an element
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
KEYS = {"left": "\ue012", "right": "\ue014", "home": "\ue011", "end": "\ue010", "tab": "\ue004", "enter": "\ue007"}
# Straight to the driver, whatever proxy the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """Ends with the test that started it."""

    def __init__(self, width=1280, height=900):
        if not shutil.which("chromedriver"):
            raise Skip("chromedriver is not installed")
        self.folder = tempfile.mkdtemp(prefix="browser")
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.driver = launch(["chromedriver", f"--port={port}"], env=os.environ | {"HOME": self.folder})
        eventually(self._ready, "a driver of Chromium")
        options = {"args": [*ARGUMENTS, f"--window-size={width},{height}", f"--user-data-dir={self.folder}/data"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.base += "/session/" + self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._call("DELETE", "")
        self.driver.terminate()
        self.driver.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self):
        assert self.driver.poll() is None, self.driver.stderr.read().decode()
        try:
            return self._call("GET", "/status")["ready"]
        except (OSError, ValueError):
            return False

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with _opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {json.load(error)['value']['message']}") from None

    def open(self, path, fragment=""):
        self._call("POST", "/url", {"url": f"file://{path}{fragment}"})

    def run(self, script):
        """What the script returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def texts(self, selector):
        return self.run(f"return [...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)")

    def _find(self, selector):
        return self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector, text):
        self._call("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def point_at(self, selector, part):
        """The mouse at this part of the element's width."""
        x = self.run(f"const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView(); return e.clientWidth")
        origin = {ELEMENT: self._find(selector)}
        move = {"type": "pointerMove", "duration": 0, "origin": origin, "x": round(x * (part - 0.5)), "y": 0}
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [move]}
        self._call("POST", "/actions", {"actions": [mouse]})

    def devtools(self, command, **parameters):
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def size(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def prefer(self, scheme):
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def log(self):
        """What the page, or the browser on account of it, has complained of since the last call."""
        messages = [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]
        return [message for message in messages if not message.startswith("chrome:")]  # its own first page

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", "/screenshot")))
