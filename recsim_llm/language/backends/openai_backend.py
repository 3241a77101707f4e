"""Models behind an HTTP server, by the official OpenAI client: its headers, its proxies, its keys of organisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsim_llm.errors import BackendError
from recsim_llm.language.backends.http_backend import HttpBackend, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import httpx2
    from openai import AsyncOpenAI

__all__ = ["OpenAIBackend"]


class OpenAIBackend(HttpBackend):
    """A model at OpenAI or behind a server that speaks the same dialect, by the official client without its retries."""

    _client: AsyncOpenAI

    def _open(self) -> None:
        from openai import AsyncOpenAI

        from recsim_llm.language.backends.bounded_client import BoundedClient

        self._client = AsyncOpenAI(
            api_key=self._api_key,
            base_url=self.base_url,
            max_retries=0,
            # The deadline of the base class is the only one.
            timeout=None,
            http_client=BoundedClient(self._collect, timeout=None, follow_redirects=False, trust_env=not self.local),
        )

    async def _post(self, path: str, content: bytes) -> Response:
        import httpx2

        # The raw response: the client's own parsing lets an HTML page through as text and `choices: []` as an answer.
        return await self._fetch(self._client.post(path, cast_to=httpx2.Response, content=content))

    async def _get(self, address: str) -> Response:
        import httpx2

        return await self._fetch(self._client.get(address, cast_to=httpx2.Response))

    async def _fetch(self, sending: Awaitable[httpx2.Response]) -> Response:
        import aiohttp
        import httpx2
        from openai import APIStatusError, OpenAIError

        failure: BackendError | None = None
        try:
            response = await sending
        except APIStatusError as error:
            response = error.response
        except BackendError as error:
            failure = error
        except (OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, UnicodeError) as error:
            # UnicodeError: a host's name that cannot be, for instance with two dots in a row.
            # Without a deadline of its own, what the client calls a timeout is a connection that was refused or closed.
            reason: BaseException = error
            while isinstance(reason, OpenAIError | httpx2.HTTPError) and reason.__cause__ is not None:
                reason = reason.__cause__
            failure = self._unreachable(reason)
        if failure is not None:
            raise failure
        return Response(response.status_code, response.headers, response.content)

    async def _shut(self) -> None:
        await self._client.close()
