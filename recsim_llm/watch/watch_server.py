"""A server on this machine's loopback that shows a watched run to one browser.

Whoever can run programs here can reach the port, and so can any page that the browser has open. Therefore every address begins
with a random word that only the printed one tells; a request must name the loopback as its host, which keeps out pages whose
own name was made to point here (DNS rebinding); and what a browser says comes from another page is refused.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any

from aiohttp import web

from recsim_llm.errors import ConfigError, RecSimError, hide_secrets
from recsim_llm.watch.pacing import Pacer
from recsim_llm.watch.watched_run import WatchedRun

__all__ = ["HOST", "WatchServer"]

HOST = "127.0.0.1"
"""The only address that is listened to."""
_NAMES = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?")
_LOOKS_A_SECOND, _LONGEST_WAIT = 10, 15.0
_MOST_BODY = 4096
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FILES = {"": ("index.html", "text/html"), "watch.css": ("watch.css", "text/css"), "watch.js": ("watch.js", "text/javascript")}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WatchServer:
    """Shows a run and takes what is wanted of it.

    Args:
        run: what is watched.
        pacer: what plays it.
    """

    def __init__(self, run: WatchedRun, pacer: Pacer) -> None:
        self._run, self._pacer = run, pacer
        self._word = secrets.token_urlsafe(24)
        self._port = 0

    @property
    def address(self) -> str:
        """What to open in a browser; known once the server listens."""
        return f"http://{HOST}:{self._port}/{self._word}/"

    async def serve(self, port: int, ready: Callable[[str], None]) -> None:
        """Serve until cancelled.

        Args:
            port: to listen on; 0: any free one.
            ready: called with the address once the server listens.

        Raises:
            ConfigError: the port cannot be listened on.
        """
        app = web.Application(middlewares=[self._guard], client_max_size=_MOST_BODY)
        for name in _FILES:
            app.router.add_get(f"/{{word}}/{name}", self._file)
        for name, handler in (("state", self._state), ("users", self._users), ("user", self._user)):
            app.router.add_get(f"/{{word}}/{name}", handler)
        for name, handler in (("act", self._act), ("change", self._change), ("talk", self._talk)):
            app.router.add_post(f"/{{word}}/{name}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, port)
            try:
                await site.start()
            except (OSError, OverflowError) as error:
                raise ConfigError(f"--port: got {port}, expected one that is free, 0 for any; {error}") from error
            self._port = runner.addresses[0][1]
            ready(self.address)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let through what comes from the page itself, and tell errors in one line."""
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not _NAMES.fullmatch(host):
            return _refused(403, f"host: got {host!r}, expected {HOST} or localhost")
        if origin is not None and origin != f"http://{host}":
            return _refused(403, f"origin: got {origin!r}, expected this page's own")
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return _refused(403, "request: got one from another page, expected this page's own")
        if not hmac.compare_digest(request.path.split("/")[1].encode(), self._word.encode()):
            return _refused(404, "address: got another than was printed, expected that one")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            return _refused(error.status, error.reason)
        except RecSimError as error:
            return _refused(400, hide_secrets(str(error)))
        response.headers.update(_HEADERS)
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name, kind = _FILES[request.path.split("/")[2]]
        text = files("recsim_llm.watch").joinpath(name).read_text(encoding="utf-8")
        if name == "watch.css":
            # As the report looks, and what only this page has.
            text = files("recsim_llm.report").joinpath("style.css").read_text(encoding="utf-8") + text
        return web.Response(text=text, content_type=kind, charset="utf-8")

    async def _state(self, request: web.Request) -> web.StreamResponse:
        """Answer as soon as there is something new, at most ten times a second; after a while in any case."""
        known, since = _number(request.query, "version", -1), _number(request.query, "since", 0)
        for _ in range(int(_LONGEST_WAIT * _LOOKS_A_SECOND)):
            if self._pacer.version != known:
                break
            await asyncio.sleep(1 / _LOOKS_A_SECOND)
        if known >= 0:
            await asyncio.sleep(1 / _LOOKS_A_SECOND)
        return _json(self._pacer.snapshot(since))

    async def _users(self, request: web.Request) -> web.StreamResponse:
        return _json(self._run.users.listed(request.query.get("arm", ""), request.query.get("query", "")))

    async def _user(self, request: web.Request) -> web.StreamResponse:
        given = request.query.get("arm", ""), request.query.get("id", "")
        return _json(await asyncio.to_thread(self._run.users.shown, *given))

    async def _act(self, request: web.Request) -> web.StreamResponse:
        wanted = await _body(request)
        acts: dict[Any, Callable[[], None]] = {
            "play": self._pacer.play,
            "pause": self._pacer.pause,
            "step": self._pacer.step,
            "pace": lambda: self._pacer.pace(wanted.get("speed")),
        }
        act = wanted.get("do")
        if not isinstance(act, str) or act not in acts:
            raise ConfigError(f"act: got {act!r}, expected {', '.join(acts)}")
        acts[act]()
        return _json({})

    async def _change(self, request: web.Request) -> web.StreamResponse:
        wanted = await _body(request)
        if "slider" in wanted:
            self._run.move(str(wanted["slider"]), wanted.get("value"))
        else:
            self._run.switch(str(wanted.get("arm")), str(wanted.get("recommender")))
        self._pacer.changed()
        return _json({})

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        wanted = await _body(request)
        arm, user, page = str(wanted.get("arm")), str(wanted.get("id")), wanted.get("page")
        if isinstance(page, int):
            return _json(await asyncio.to_thread(self._run.users.reason, arm, user, page))
        return _json(await asyncio.to_thread(self._run.users.interview, arm, user))


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"-?\d{1,12}", text):
        raise ConfigError(f"{name}: got {text!r}, expected a whole number")
    return int(text)


async def _body(request: web.Request) -> dict[str, Any]:
    """Return what a request says; only as JSON, which no other page can send without asking first."""
    if request.content_type != "application/json":
        raise ConfigError(f"request: got {request.content_type}, expected application/json")
    try:
        body = json.loads(await request.text())
    except (ValueError, RecursionError) as error:
        raise ConfigError("request: got what is no JSON, expected an object") from error
    if not isinstance(body, dict):
        raise ConfigError(f"request: got {type(body).__name__}, expected an object")
    return body


def _json(content: Any) -> web.Response:
    return web.Response(text=json.dumps(_finite(content), allow_nan=False), content_type="application/json")


def _finite(content: Any) -> Any:
    """Return content with none in place of numbers that JSON lacks."""
    if isinstance(content, float):
        return content if content - content == 0 else None
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    return [_finite(value) for value in content] if isinstance(content, list | tuple) else content


def _refused(status: int, line: str) -> web.Response:
    return web.json_response({"error": line}, status=status, headers=_HEADERS)
