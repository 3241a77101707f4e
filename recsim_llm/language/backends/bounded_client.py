"""The official client's way over HTTP, with a limit on how much of an answer is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
from openai import DefaultAioHttpClient

__all__ = ["BoundedClient", "Collect"]

Collect = Callable[[int, AsyncIterator[bytes]], Awaitable[bytes]]
"""Reads the pieces of a body, given its HTTP status; raises where there are too many."""

_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")


class BoundedClient(DefaultAioHttpClient):
    """An HTTP client whose answers are read by ``collect``, and by nobody else.

    Args:
        collect: reads a body.
        settings: of ``DefaultAioHttpClient``.
    """

    def __init__(self, collect: Collect, **settings: Any) -> None:
        super().__init__(**settings)
        self._collect = collect

    async def send(self, request: httpx2.Request, **settings: Any) -> httpx2.Response:
        """Send a request and return its answer, read; whether it was to be streamed makes no difference."""
        response = await super().send(request, **(settings | {"stream": True}))
        try:
            content = await self._collect(response.status_code, response.aiter_bytes())
        finally:
            await response.aclose()
        # The content is unpacked: these headers speak of how it travelled.
        headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_THE_WIRE]
        return httpx2.Response(response.status_code, headers=headers, content=content, request=request)
