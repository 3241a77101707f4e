"""A headless Chromium, driven over a pipe by the DevTools protocol: pages are opened, measured and photographed."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import Any

import pytest
from patience import PATIENCE

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
HEIGHT = 844


def find_chromium():
    """Return the path of the program; None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def opened_browser():
    """Open a browser with a profile of its own; a test that finds no program is skipped."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on the PATH; on Debian: apt-get install chromium")
    # Helpers of the browser may write into its profile for a moment after it has ended.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        opened = Browser(program, profile)
        try:
            yield opened
        finally:
            opened.close()


class Browser:
    """One process; ended by ``close``."""

    def __init__(self, program, profile):
        theirs, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The browser reads commands from descriptor 3 and writes to 4, whatever the pipes are called here.
        start = f'exec "$@" 3<&{theirs} 4>&{answers}'
        command = ["bash", "-c", start, "bash", program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, pass_fds=(theirs, answers), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs)
        os.close(answers)
        self._numbers, self._buffer, self.events = itertools.count(1), b"", []

    def close(self):
        """End the process."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._write)
        os.close(self._read)

    def ask(self, method, session=None, **parameters) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (reply := self._next()).get("id") != number:
            self.events.append(reply)
        assert "error" not in reply, reply
        return reply["result"]

    def wait_for(self, method):
        """Return when an event has come."""
        while all(event["method"] != method for event in self.events):
            self.events.append(self._next())

    def _next(self):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0.0))
            chunk = os.read(self._read, 1 << 20) if ready else b""
            assert chunk, "the browser is silent"
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)


class Tab:
    """A page in a browser, at one width and in one colour scheme; ``path`` is a file or an address."""

    def __init__(self, browser, path, width, scheme="light"):
        self._browser = browser
        browser.events.clear()
        self._target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.ask("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.events.clear()
        self._ask("Page.navigate", url=path if isinstance(path, str) else path.as_uri())
        browser.wait_for("Page.loadEventFired")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._browser.ask("Target.closeTarget", targetId=self._target)

    def value(self, script):
        """Return what a script returns."""
        found = self._ask("Runtime.evaluate", expression=f"(() => {{ {script} }})()", returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition):
        """Return what an expression gives as soon as that is anything; the page keeps trying."""
        script = f"""(async () => {{
            for (const end = Date.now() + {int(1000 * PATIENCE)}; Date.now() < end;) {{
                const found = {condition};
                if (found) return found;
                await new Promise(done => setTimeout(done, 20));
            }}
        }})()"""
        found = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "value" in found["result"], (condition, found)
        return found["result"]["value"]

    def requests(self):
        """Return the addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self._browser.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self):
        """Return what the console holds: errors and warnings, exceptions, printed lines."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event["params"] for event in self._browser.events if event["method"] in kinds]

    def photograph(self, path):
        """Write the whole page as PNG."""
        picture = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _ask(self, method, **parameters):
        return self._browser.ask(method, self._session, **parameters)
