"""Requests to a recommender behind HTTP: one deadline each, a few attempts, bodies of bounded size, every failure one line."""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from recsim_llm.errors import ServiceError, hide_secrets
from recsim_llm.language.backends.aiohttp_backend import find_proxy
from recsim_llm.language.backends.http_backend import retry_seconds
from recsim_llm.language.backends.refusals import read_words
from recsim_llm.language.base.addresses import is_loopback
from recsim_llm.language.base.background import background_loop
from recsim_llm.language.calls.retries import RetryPolicy

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = ["HttpClient", "ServiceCost"]

_MOST_OF_AN_ERROR = 64 << 10
_LONGEST_CLOSE = 1.0
_LONGEST_REASON = 200
_NO_SUCH_METHOD = 501
_RETRIED = (408, 409, 429)
_SERVER_FAULT = 500


@dataclass
class ServiceCost:
    """What the requests to a recommender behind HTTP took so far."""

    requests: int = 0
    """Requests sent, every attempt counted."""
    retries: int = 0
    """Of them, those that repeat one that failed."""
    bytes_sent: int = 0
    """Bytes of the bodies sent."""
    bytes_received: int = 0
    """Bytes of the bodies received, as far as they were read."""
    seconds: float = 0.0
    """Wall-clock seconds, waits between attempts included."""
    failures: Counter[str] = field(default_factory=Counter)
    """Failed attempts by cause, as in ``ServiceError``; a status is named: ``status 503``."""


class _Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes


class _Failure(NamedTuple):
    """Why an attempt failed."""

    cause: str
    got: str
    expected: str
    status: int | None = None
    retryable: bool = True
    retry_after: float | None = None


class HttpClient:
    """Asks one server; connections are kept, and given back when the client is no longer used.

    Args:
        address: as ``parse_address`` returns it.
        headers: to be sent with each request; their values are secrets.
        retries: how often an attempt is repeated.
        longest_wait: most seconds that the server may ask to wait.
        body_limit: most bytes of a reply that are read.
    """

    def __init__(
        self, address: str, *, headers: Mapping[str, str], retries: RetryPolicy, longest_wait: float, body_limit: int
    ) -> None:
        self.address, self._headers, self._retries = address, dict(headers), retries
        self._longest_wait, self._body_limit = longest_wait, body_limit
        self._session: ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._took = 0, 0.0
        self.cost = ServiceCost()

    def ask(
        self, path: str, content: bytes | None, *, about: str, timeout: float, absent: tuple[int, ...] = ()
    ) -> bytes | None:
        """Send a request and return the body of its answer.

        Args:
            path: below the address.
            content: JSON to post; None gets.
            about: what is asked, for the error's text.
            timeout: seconds that one attempt may take, from the first to the last byte.
            absent: statuses that say that there is no such path, for which None is returned.

        Raises:
            ServiceError: it failed; its text holds no secret.
        """
        started, attempt = time.perf_counter(), 0
        while True:
            attempt += 1
            outcome = self._attempt(path, content, timeout)
            if not isinstance(outcome, _Failure) or outcome.status in absent:
                break
            self.cost.failures[f"status {outcome.status}" if outcome.cause == "status" else outcome.cause] += 1
            wait = self._pause(outcome, path, attempt)
            if wait is None:
                break
            # In the caller's own thread, so that Ctrl-C ends it.
            time.sleep(wait)
            self.cost.retries += 1
        self._took = attempt, time.perf_counter() - started
        self.cost.seconds += self._took[1]
        if not isinstance(outcome, _Failure):
            return outcome
        if outcome.status in absent:
            return None
        raise self.failure(outcome.cause, outcome.got, f", {outcome.expected}", status=outcome.status, request=(path, about))

    def failure(
        self, cause: str, got: str, expected: str, *, request: tuple[str, str], status: int | None = 200
    ) -> ServiceError:
        """Return the error for the last request, which came to nothing.

        Args:
            cause: as in ``ServiceError``.
            got: what came instead of an answer.
            expected: the end of the text: what was expected, and what to do.
            request: path and what was asked.
            status: of the last attempt.
        """
        (path, about), (attempts, seconds) = request, self._took
        tried = f"after {attempts} attempt{'s' * (attempts > 1)} in {seconds:.1f} s {about}"
        text = self._clean(f"{self.address}{path}: got {got} {tried}{expected}")
        return ServiceError(text, cause=cause, status=status, attempts=attempts, seconds=seconds)

    def _pause(self, failure: _Failure, path: str, attempt: int) -> float | None:
        """Return the seconds to wait before the next attempt; None where there is none."""
        if not failure.retryable or attempt >= self._retries.attempts:
            return None
        if failure.retry_after is None:
            return self._retries.delay(path.encode(), attempt)
        return failure.retry_after if failure.retry_after <= self._longest_wait else None

    def _attempt(self, path: str, content: bytes | None, timeout: float) -> bytes | _Failure:
        self.cost.requests += 1
        self.cost.bytes_sent += len(content or b"")
        future = asyncio.run_coroutine_threadsafe(self._exchange(path, content, timeout), background_loop())
        try:
            outcome = future.result()
        except BaseException:
            future.cancel()
            raise
        return outcome if isinstance(outcome, _Failure) else self._judge(outcome)

    async def _exchange(self, path: str, content: bytes | None, timeout: float) -> _Reply | _Failure:
        import aiohttp

        method, more = ("GET", {}) if content is None else ("POST", {"Content-Type": "application/json"})
        # A file, since aiohttp warns of bytes that are many.
        data = None if content is None else BytesIO(content)
        try:
            async with asyncio.timeout(timeout):
                session = self._opened()
                asked = session.request(method, self.address + path, data=data, headers=more, allow_redirects=False)
                async with asked as response:
                    return await self._read(response)
        except TimeoutError:
            remedy = "look at the server, or give it longer, settings: {timeout: SECONDS}"
            return _Failure("timeout", "no end", f"expected a whole reply within {timeout:g} s; {remedy}")
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # UnicodeError: a host's name that cannot be, for instance with two dots in a row.
            reason = self._reason(f"{type(error).__name__}: {error}")
            return _Failure("connection", reason, "expected a reply; see that the server runs there, and look at its log")

    async def _read(self, response: ClientResponse) -> _Reply | _Failure:
        """Read a reply, and stop where it is longer than the limit."""
        good = response.status == 200
        most = self._body_limit if good else min(self._body_limit, _MOST_OF_AN_ERROR)
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            self.cost.bytes_received += len(piece)
            if len(content) > most:
                if not good:
                    break
                remedy = f"expected at most {most:,}; check the server, or raise it, settings: {{body_limit: BYTES}}"
                return _Failure("bad_reply", f"a body of more than {most:,} bytes", remedy, 200, retryable=False)
        encoding = response.headers.get("Content-Encoding", "identity")
        if good and encoding != "identity":
            got, remedy = f"a body in Content-Encoding {encoding!r}", "expected plain JSON; let the server send it as it is"
            return _Failure("bad_reply", self._reason(got), remedy, 200, retryable=False)
        return _Reply(response.status, response.headers, bytes(content[:most]))

    def _judge(self, reply: _Reply) -> bytes | _Failure:
        if reply.status == 200:
            return reply.content
        words = self._reason(read_words(reply.content).words)
        got = f"status {reply.status}" + (f" ({words})" if words else "")
        retryable = reply.status in _RETRIED or (reply.status >= _SERVER_FAULT and reply.status != _NO_SUCH_METHOD)
        asked = retry_seconds(reply.headers, datetime.now(UTC)) if retryable else None
        if asked is not None and asked > self._longest_wait:
            remedy = f"expected at most {self._longest_wait:g} s; go on later, or wait, settings: {{longest_wait: SECONDS}}"
            return _Failure("wait", f"{got} that asks to wait {asked:g} s", remedy, reply.status, retry_after=asked)
        advice = _advice(reply.status, self._reason(reply.headers.get("Location", "")))
        return _Failure("status", got, f"expected 200; {advice}", reply.status, retryable, asked)

    def _opened(self) -> ClientSession:
        """Return the session of the running loop; a forked process has a loop and connections of its own."""
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **self._headers},
                auto_decompress=False,
                # The deadline of each attempt is the only one.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                proxy=None if is_loopback(self.address) else find_proxy(self.address),
            )
            weakref.finalize(self, _shut, self._session, loop)
        return self._session

    def _clean(self, text: str) -> str:
        """Return a text on one line, without secrets."""
        for secret in self._headers.values():
            words = [word for word in secret.split() if len(word) > 2]
            for spelling in {
                form for word in (secret, *words) for form in (word, json.dumps(word)[1:-1], quote(word, safe=""))
            }:
                text = text.replace(spelling, "[hidden]")
        return hide_secrets(" ".join("".join(mark if mark.isprintable() else " " for mark in text).split()))

    def _reason(self, text: str) -> str:
        """Return a server's or library's own words, cut where they are long; hidden first, or half a secret would stay."""
        text = self._clean(text)
        return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"


def _advice(status: int, location: str) -> str:
    if 300 <= status < 400:
        return f"redirects are not followed, give the address that it leads to{f' ({location})' if location else ''}"
    if status in (401, 403):
        return "name the environment variable that holds the key, settings: {headers: {Authorization: VARIABLE}}"
    if status == 404:
        return "see that the address is all that stands before /recommend"
    if status == 413:
        return "send fewer users at once, settings: {batch: 64}"
    return "look at the server's log"


def _shut(session: ClientSession, loop: asyncio.AbstractEventLoop) -> None:
    """Close a session that nobody uses any more, from whichever thread notices it."""
    if not loop.is_running():
        return
    closing = asyncio.run_coroutine_threadsafe(session.close(), loop)
    with suppress(RuntimeError):
        if asyncio.get_running_loop() is loop:
            return  # Waiting for oneself would take for ever.
    with suppress(TimeoutError):
        closing.result(_LONGEST_CLOSE)
