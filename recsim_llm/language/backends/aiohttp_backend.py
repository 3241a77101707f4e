"""Models behind an HTTP server, by bare aiohttp: about a third of the processor time that the official client takes a call."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from recsim_llm.language.backends.http_backend import HttpBackend, Response

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["AiohttpBackend", "find_proxy"]


class AiohttpBackend(HttpBackend):
    """A model behind an HTTP server that speaks the dialect of OpenAI; same settings and errors as ``OpenAIBackend``."""

    _session: ClientSession

    def _open(self) -> None:
        import aiohttp

        headers = {"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"}
        self._session = aiohttp.ClientSession(
            # How many calls are in flight is decided above; a limit here would make calls wait inside their deadline.
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            # The deadline of the base class is the only one.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            # Found once: with `trust_env` the session would look for it, and for a password file, at each call.
            proxy=None if self.local else find_proxy(self.base_url),
        )

    async def _post(self, path: str, content: bytes) -> Response:
        return await self._fetch("POST", self.base_url + path, content)

    async def _get(self, address: str) -> Response:
        return await self._fetch("GET", address, None)

    async def _fetch(self, method: str, address: str, content: bytes | None) -> Response:
        import aiohttp

        try:
            async with self._session.request(method, address, data=content, allow_redirects=False) as response:
                content = await self._collect(response.status, response.content.iter_any())
                return Response(response.status, response.headers, content)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # UnicodeError: a host's name that cannot be, for instance with two dots in a row.
            failure = self._unreachable(error)
        raise failure

    async def _shut(self) -> None:
        await self._session.close()


def find_proxy(address: str) -> str | None:
    """Return the proxy that the environment names for an address; None where it names none."""
    parts = urlsplit(address)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
