"""A model in a GGUF file, served by a llama.cpp of our own: the ordinary way over HTTP, without a server to set up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self

from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.http_backend import Response
from recsim_llm.language.backends.llama_server import LlamaServer
from recsim_llm.language.backends.model_files import fingerprint_file
from recsim_llm.language.backends.packaged_models import PACKAGED, find_gguf
from recsim_llm.language.base.wire import Abilities, Call, RawReply, TokenUsage

__all__ = ["LlamaCppBackend", "open_llamacpp"]

_SCHEME = "llamacpp 3"
"""Rises when the same file would give other numbers: the settings of the server, or what is asked of it."""
_ANY_PORT = "http://127.0.0.1"
"""Stands for an address whose port is another one each time: what is kept of a probe must be found again."""


class LlamaCppBackend(AiohttpBackend):
    """A model served by a llama.cpp process of our own, which the first call starts and ``close`` ends.

    Open it with ``open_llamacpp``. Calls are answered one after another, so answers do not depend on what else is in flight.
    Nor do they on what the server has read before: where it read one token only, as of a prompt that is sent again, the
    call is sent once more and read from its beginning, since one token alone is computed in other arithmetic than several.

    Args:
        model: ``FILE@FINGERPRINT``.
        server: the process, which several backends may share.
        timeout: seconds that one call may take, the start not counted.
        abilities: what a probe found; None: not known.
        more: further fields of chat requests; they become part of the name.
        body_limit: most bytes of an answer that are read.

    Attributes:
        name: ``llamacpp/FILE@FINGERPRINT``; changes with the file, not with the port.
        local: True.
        place: the file.
    """

    def __init__(
        self,
        model: str,
        server: LlamaServer,
        *,
        timeout: float = 60.0,
        abilities: Abilities | None = None,
        more: Mapping[str, object] | None = None,
        body_limit: int = 8 << 20,
    ) -> None:
        super().__init__(
            model,
            base_url=f"{_ANY_PORT}/v1",
            api_key=server.key,
            timeout=timeout,
            abilities=abilities,
            provider="llamacpp",
            more=more,
            body_limit=body_limit,
        )
        self.place = server.file.path
        self._server, self._address = server, _ANY_PORT

    def with_abilities(self, abilities: Abilities | None) -> Self:
        """Return a backend for the same process that believes other abilities and has connections of its own."""
        return type(self)(
            self._model,
            self._server,
            timeout=self.timeout,
            abilities=abilities,
            more=self._more,
            body_limit=self.body_limit,
        )

    async def send(self, call: Call) -> RawReply:
        """Carry out one call; start the server where there is none.

        Raises:
            BackendError: it failed. Cause ``connection``: the server has crashed; the next call starts another.
            ConfigError: the server cannot be started, or the backend is closed.
        """
        if self._closed:
            raise ConfigError(f"{self.name}: got a call after close, expected none; open the model again")
        self._address = await self._server.start(self)
        try:
            return await super().send(call)
        except BackendError as error:
            ended = await asyncio.to_thread(self._server.last_words) if error.cause == "connection" else ""
            if not ended:
                raise
            text = f"{self.name}: the server ended ({ended}), expected a reply; another one is started"
        raise BackendError("connection", text, retryable=True)

    async def close(self) -> None:
        """Give back connections, and end the server if nobody else uses it; further calls are errors."""
        await super().close()
        await self._server.leave(self)

    async def _attempt(self, call: Call, path: str, body: Mapping[str, object]) -> RawReply | BackendError:
        outcome = await super()._attempt(call, path, body)
        if isinstance(outcome, RawReply) and _read_one_token(outcome.usage):
            return await super()._attempt(call, path, {**body, "cache_prompt": False})
        return outcome

    async def _fetch(self, method: str, address: str, content: bytes | None) -> Response:
        return await super()._fetch(method, self._address + address.removeprefix(_ANY_PORT), content)


def _read_one_token(usage: TokenUsage) -> bool:
    """Return whether all of the prompt but its last token came from the cache: llama.cpp reads no less."""
    return usage.prompt is not None and 0 < (usage.cached or 0) == usage.prompt - 1


def open_llamacpp(
    name: str,
    *,
    timeout: float = 60.0,
    more: Mapping[str, object] | None = None,
    body_limit: int = 8 << 20,
) -> LlamaCppBackend:
    """Return a backend for a packaged model or a GGUF file; its abilities are not known.

    Args:
        name: ``smollm2``, ``gemma3-270m``, or a path that ends in ``.gguf``.
        timeout: seconds that one call may take.
        more: further fields of chat requests.
        body_limit: most bytes of an answer that are read.

    Raises:
        ConfigError: there is no such file, a package is missing, or the file has no chat template.
        DataError: a packaged model is damaged.
    """
    file = find_gguf(name)
    if file is None:
        raise ConfigError(
            f"model llamacpp/{name}: got neither a GGUF file nor a packaged model, expected a path that ends in .gguf, or "
            f"one of {', '.join(PACKAGED)}"
        )
    model = f"{file.path.name}@{fingerprint_file(file.path, f'{_SCHEME} {file.template}')}"
    return LlamaCppBackend(model, LlamaServer(file), timeout=timeout, more=more, body_limit=body_limit)
