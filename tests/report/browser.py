"""A page in headless Chromium, driven over its pipe by the DevTools protocol."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next(filter(None, map(shutil.which, _NAMES)), None)
needs_browser = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
_TIMEOUT_S = 60
_KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40, "Home": 36, "End": 35,
         "Tab": 9, "Enter": 13}  # fmt: skip


class Browser:
    """One page at a time; `problems` are what the console was told, warnings too."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._number = 0
        self._loaded: set[str] = set()
        self._sessions: list[str] = []
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._main = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._begin(self._main)

    def open(
        self, page: Path, *, width: int = 1400, height: int = 1000, dark: bool = False
    ) -> None:
        """Shows a file and waits until it is loaded and drawn."""
        self.problems, self.requests, self._loaded = [], [], set()
        self._sessions = [self._main]
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.tell("Emulation.setEmulatedMedia", features=scheme)
        self.tell("Page.navigate", url=page.absolute().as_uri())
        end = time.monotonic() + _TIMEOUT_S
        while self._main not in self._loaded:
            assert time.monotonic() < end, f"{page} was not loaded in {_TIMEOUT_S} s"
            self._take()
        self.run("new Promise(done => setTimeout(done, 150))")

    def run(self, script: str, *, in_frame: bool = False) -> Any:
        """The value of an expression, of the page or of the frame in it."""
        answer = self._call(
            "Runtime.evaluate", session=self._sessions[-1] if in_frame else self._main,
            expression=script, returnByValue=True, awaitPromise=True, userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """A key of the keyboard, down and up."""
        code = _KEYS[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=code)  # fmt: skip

    def write(self, text: str) -> None:
        """Types into what has the focus."""
        self.tell("Input.insertText", text=text)

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Any command of the protocol, to the page."""
        return self._call(method, session=self._main, **parameters)

    def _begin(self, session: str) -> None:
        self._sessions.append(session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable", session=session)
        self._call("Target.setAutoAttach", session=session, autoAttach=True,
                   waitForDebuggerOnStart=False, flatten=True)  # fmt: skip

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        number = self._number
        while True:
            answer = self._take()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _take(self) -> dict[str, Any]:
        """The next message; what it says of the page is kept."""
        while b"\0" not in self._rest:
            got = os.read(self._from, 1 << 16)
            assert got, "the browser has ended"
            self._rest += got
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        values, session = message.get("params", {}), message.get("sessionId", "")
        match message.get("method"):
            case "Target.attachedToTarget" if session:
                self._begin(values["sessionId"])
            case "Page.loadEventFired":
                self._loaded.add(session)
            case "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])
            case "Runtime.exceptionThrown":
                self.problems.append(str(values["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if values["type"] in {"error", "warning", "assert"}:
                self.problems.append(str(values["args"]))
            case "Log.entryAdded" if values["entry"]["level"] in {"error", "warning"}:
                self.problems.append(str(values["entry"]))
        return message


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile, ended at the end."""
    assert PROGRAM
    for_it, to_browser = os.pipe()
    from_browser, of_it = os.pipe()
    # The browser reads from descriptor 3 and writes to 4.
    command = ["bash", "-c", f'exec "$@" 3<&{for_it} 4>&{of_it}', "bash", PROGRAM, *_FLAGS,
               f"--user-data-dir={profile}", "about:blank"]  # fmt: skip
    process = subprocess.Popen(
        command, pass_fds=(for_it, of_it), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(for_it)
    os.close(of_it)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        os.close(to_browser)  # which it takes for its end
        os.close(from_browser)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
