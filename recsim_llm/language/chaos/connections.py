"""What a server does to a connection: refuse, break, drip."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

__all__ = ["drip", "error_response", "reset"]

_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_DRIPS = 8


def error_response(status: int, message: str, retry_after: float | None = None) -> web.Response:
    """Return an error in the form of OpenAI.

    Args:
        status: HTTP status.
        message: why, one line.
        retry_after: seconds for the Retry-After header; None: without.
    """
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    error = {"message": message, "type": _KINDS.get(status, "server_error"), "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers=headers)


def reset(request: web.Request) -> web.Response:
    """Reset the connection of a request; the response returned is never sent."""
    transport = request.transport
    if transport is not None:
        # Closing with a linger time of 0 sends a reset instead of an orderly end.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def drip(
    request: web.Request, content: bytes, seconds: float, pause: Callable[[float], Awaitable[None]]
) -> web.StreamResponse:
    """Send a JSON body a few bytes at a time.

    Args:
        request: what is answered.
        content: the body.
        seconds: how long to take.
        pause: waits so many seconds.
    """
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(content))})
    try:
        await response.prepare(request)
        step = max(len(content) // _DRIPS, 1)
        for start in range(0, len(content), step):
            await pause(seconds / _DRIPS)
            await response.write(content[start : start + step])
        await response.write_eof()
    except ConnectionError:  # the client has gone
        return reset(request)
    return response
