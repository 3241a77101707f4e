"""What the HTTP backends share: one deadline a call, failures by cause, and no secret in any text."""

from __future__ import annotations

import asyncio
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Self
from urllib.parse import quote

from recsim_llm.errors import BackendError, ConfigError, hide_secrets
from recsim_llm.language.backends.payloads import build_request, parse_body, read_response
from recsim_llm.language.backends.prompt_turns import PromptTurns
from recsim_llm.language.backends.refusals import Told, find_error, judge, read_words, status_of
from recsim_llm.language.backends.reply_fields import bad_reply
from recsim_llm.language.base.addresses import is_loopback, parse_address
from recsim_llm.language.base.wire import Abilities, Call, RawReply

__all__ = ["HttpBackend", "Response", "ServerProperties", "retry_seconds"]

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_LONGEST_MESSAGE = 400
_LONGEST_REASON = 120
_NO_KEY = "none"
_MOST_SLOTS, _MOST_CONTEXT = 1 << 12, 1 << 30
_MOST_OF_AN_ERROR = 64 << 10
"""Bytes of an error's body that are read: its words stand at its beginning."""


class Response(NamedTuple):
    """One HTTP response, whatever its status."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str]
    """Its headers; lookups ignore case."""
    content: bytes
    """Its whole body."""


class ServerProperties(NamedTuple):
    """What a server tells of itself without being asked a question."""

    slots: int = 0
    """Places in each of which it keeps a prompt (llama.cpp); 0: it does not tell."""
    context: int | None = None
    """Tokens that the model reads and writes in one call; None: it does not tell."""


class HttpBackend(ABC):
    """A model behind an HTTP server that speaks the dialect of OpenAI.

    Connections are opened by the first call, in the event loop that it runs in; all later calls must come from that loop.

    Args:
        model: name that the server knows the model by.
        base_url: address up to and including ``/v1``, without credentials.
        api_key: secret sent as ``Authorization: Bearer``; ``none`` for servers that want none.
        timeout: seconds that one call may take, from the first to the last byte.
        abilities: what a probe found; None: not known, and no decision endpoint is tried.
        provider: ``openai`` or ``openai-compatible``.
        more: further fields of chat requests; those that the call itself sets win. They become part of the name.
        body_limit: most bytes of an answer that are read.

    Raises:
        ConfigError: an address, a key or a timeout that cannot work; the text shows no secret.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str,
        timeout: float = 60.0,
        abilities: Abilities | None = None,
        provider: str = "openai-compatible",
        more: Mapping[str, object] | None = None,
        body_limit: int = 8 << 20,
    ) -> None:
        self._more = dict(more or {})
        self.name = f"{provider}/{model}" + (f" {json.dumps(self._more, sort_keys=True)}" if self._more else "")
        self.base_url = parse_address(base_url, "base URL")
        self.local = is_loopback(self.base_url)
        if not (math.isfinite(timeout) and timeout > 0):
            raise ConfigError(f"{self.name}: got a timeout of {timeout:g} s, expected more than 0")
        if not re.fullmatch("[!-~]+", api_key):
            got = "an API key with blanks or characters beyond ASCII" if api_key else "an empty API key"
            raise ConfigError(f"{self.name}: got {got}, expected one without; give {_NO_KEY!r} where the server wants none")
        self.timeout, self.body_limit = timeout, body_limit
        self._model, self._provider, self._api_key, self._abilities = model, provider, api_key, abilities
        self._turns = PromptTurns() if abilities and abilities.slots > 1 else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, base_url={self.base_url!r}, timeout={self.timeout:g})"

    @property
    def abilities(self) -> Abilities | None:
        """What the server can do; None: not known."""
        return self._abilities

    def with_abilities(self, abilities: Abilities | None) -> Self:
        """Return a backend for the same server that believes other abilities and has connections of its own."""
        return type(self)(
            self._model,
            base_url=self.base_url,
            api_key=self._api_key,
            timeout=self.timeout,
            abilities=abilities,
            provider=self._provider,
            more=self._more,
            body_limit=self.body_limit,
        )

    async def send(self, call: Call) -> RawReply:
        """Carry out one call.

        Raises:
            BackendError: it failed; no text of it holds a secret, and no other error is chained to it.
            ConfigError: the server's decision endpoint is unknown, or the backend is closed or belongs to another event loop.
        """
        path, body = build_request(call, model=self._model, provider=self._provider, abilities=self._abilities, more=self._more)
        self._enter()
        async with nullcontext() if self._turns is None or call.form != "forced" else self._turns.turn(call.messages):
            outcome = await self._attempt(call, path, body)
        if isinstance(outcome, BackendError):
            # Raised outside of `except`, here where no response is at hand: neither a chain of errors nor a traceback
            # that shows variables leads to the headers of the request.
            raise outcome.with_traceback(None)
        return outcome

    async def read_properties(self) -> ServerProperties:
        """Return what the server tells of itself, by two requests.

        llama.cpp tells slots and the context of one of them in ``/props``, vLLM and SGLang the longest context of a model in
        ``/v1/models``. Where both tell a context, the shorter one counts.
        """
        self._enter()
        told = await self._tell(f"{self.base_url.removesuffix('/v1')}/props")
        listed = await self._tell(f"{self.base_url}/models")
        models = listed.get("data")
        own = [entry for entry in models if _fields(entry).get("id") == self._model] if isinstance(models, list) else []
        contexts = (
            _fields(told.get("default_generation_settings")).get("n_ctx"),
            *(_fields(e).get("max_model_len") for e in own),
        )
        return ServerProperties(
            slots=_whole(told.get("total_slots"), _MOST_SLOTS) or 0,
            context=min((tokens for given in contexts if (tokens := _whole(given, _MOST_CONTEXT)) is not None), default=None),
        )

    async def _tell(self, address: str) -> Mapping[str, object]:
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._get(address)
            return _fields(parse_body(response.content) if _is_good(response.status) else None)
        except (TimeoutError, BackendError):
            return {}

    async def close(self) -> None:
        """Give back connections; further calls are errors."""
        opened, self._loop, self._closed = self._loop is not None, None, True
        if opened:
            await self._shut()

    @abstractmethod
    def _open(self) -> None:
        """Make the client, in the running loop."""

    @abstractmethod
    async def _post(self, path: str, content: bytes) -> Response:
        """Send one request; raise ``self._unreachable`` outside of any ``except`` block."""

    @abstractmethod
    async def _get(self, address: str) -> Response:
        """Fetch a whole address; as ``_post`` otherwise."""

    @abstractmethod
    async def _shut(self) -> None:
        """Close the client."""

    async def _attempt(self, call: Call, path: str, body: Mapping[str, object]) -> RawReply | BackendError:
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._post(path, _encode(body).encode())
            if not _is_good(response.status):
                return self._refusal(response.status, read_words(response.content), response.headers)
            answer = parse_body(response.content)
            told = find_error(answer)
            if told is not None:
                return self._refusal(status_of(told), told, response.headers, inside=True)
            return read_response(call, path, answer)
        except TimeoutError:
            expected = f"a whole reply from {self.name} within {self.timeout:g} s; check the server or raise the timeout"
            return self._error("timeout", f"got no end, expected {expected}")
        except BackendError as error:
            named = self._clean(f"{self.name}: {error}")
            return BackendError(error.cause, named, retryable=error.retryable) if error.cause == "bad_reply" else error

    async def _collect(self, status: int, pieces: AsyncIterator[bytes]) -> bytes:
        """Return a body that arrives in pieces; stop reading where it is longer than the limit."""
        good = _is_good(status)
        most = self.body_limit if good else min(self.body_limit, _MOST_OF_AN_ERROR)
        content = bytearray()
        async for piece in pieces:
            content += piece
            if len(content) > most:
                if good:
                    expected = "expected at most that; check the server, or raise the limit, --set models.user.body_limit=BYTES"
                    raise bad_reply(f"got a body of more than {most:,} bytes, {expected}")
                break
        return bytes(content[:most])

    def _enter(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._closed or self._loop is not None:
            got = "a call after close" if self._closed else "a call from another event loop than the first one"
            raise ConfigError(f"{self.name}: got {got}, expected one loop and no call after close; make another backend")
        self._open()
        self._loop = loop

    def _unreachable(self, error: BaseException) -> BackendError:
        """Return the failure for an error of a client library, of which nothing but its redacted text is kept."""
        reason = self._clean(f"{type(error).__name__}: {error}", _LONGEST_REASON)
        expected = f"a reply from {self.name} at {self.base_url}; check the address and the server"
        return self._error("connection", f"got {reason}, expected {expected}")

    def _refusal(self, status: int, told: Told, headers: Mapping[str, str], *, inside: bool = False) -> BackendError:
        cause, retryable, advice = judge(status, told)
        reason = self._clean(told.words or headers.get("location") or "no reason given", _LONGEST_REASON)
        got = "an error inside status 200" if inside else f"status {status}"
        expected = "an answer" if inside else "200"
        return BackendError(
            cause,
            self._clean(f"got {got} from {self.name} ({reason}), expected {expected}; {advice}"),
            retryable=retryable,
            retry_after=retry_seconds(headers, datetime.now(UTC)) if retryable else None,
            status=status,
        )

    def _error(self, cause: str, text: str) -> BackendError:
        return BackendError(cause, self._clean(text), retryable=True)

    def _clean(self, text: str, longest: int = _LONGEST_MESSAGE) -> str:
        # Hidden before anything is cut off, or half a secret would stay.
        if self._api_key != _NO_KEY:
            for spelling in (self._api_key, json.dumps(self._api_key)[1:-1], quote(self._api_key, safe="")):
                text = text.replace(spelling, "[hidden]")
        text = hide_secrets(text)
        text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
        return text if len(text) <= longest else text[: longest - 1] + "…"


def retry_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks to wait, given as a number or as an HTTP date; None where it says nothing.

    ``retry-after-ms``, which Azure and OpenAI send beside it, is finer and goes before it.

    Args:
        headers: of the response.
        now: the time, with its zone.
    """
    for name, factor in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        try:
            seconds = factor * float(told)
        except ValueError:
            seconds = _seconds_until(told, now)
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return None


def _seconds_until(date: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(date)
        # HTTP dates are in GMT; one that says -0000 is parsed without a zone.
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    # Years, zones and numbers beyond what dates can be.
    except (ValueError, OverflowError, TypeError):
        return math.nan


def _fields(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _whole(value: object, most: int) -> int | None:
    """Return a number of things from 1 up, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most else None


def _is_good(status: int) -> bool:
    return 200 <= status < 300
