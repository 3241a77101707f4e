"""A loopback server of one function that may misbehave in any way: it speaks HTTP by bare sockets, one request a connection."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

__all__ = ["Asked", "PageServer", "drip", "http", "serve_pages"]

Send = Callable[[socket.socket], None]


class Asked(NamedTuple):
    """One request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


def http(
    content: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None, length: int | None = None
) -> bytes:
    """Return a response; content is JSON, text or bytes."""
    body = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode()
    named = {"Content-Length": str(len(body) if length is None else length), "Connection": "close", **(headers or {})}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drip(content: bytes) -> Send:
    """Return what sends a byte at a time until the other side has had enough."""

    def send(connection: socket.socket) -> None:
        for byte in content:
            connection.sendall(bytes([byte]))
            if select.select([connection], [], [], 0.02)[0]:
                return

    return send


class PageServer:
    """Answers by a function of what was asked: bytes to send, JSON to wrap, or a function that gets the connection."""

    def __init__(self, answer: Callable[[Asked], Any]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [asked.path for asked in self.asked]

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._handle(connection)

    def _handle(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            method, path, _ = stream.readline().decode().split(" ", 2)
            pairs = (line.decode().rstrip("\r\n").split(": ", 1) for line in iter(stream.readline, b"\r\n"))
            headers = {name.lower(): value for name, value in pairs}
            length = int(headers.get("content-length", 0))
            body = json.loads(stream.read(length)) if length else None
        self.asked.append(Asked(method, path, headers, body))
        answer = self.answer(self.asked[-1])
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer if isinstance(answer, bytes) else http(answer))


@contextmanager
def serve_pages(answer: Callable[[Asked], Any]) -> Iterator[PageServer]:
    """Serve on a free port."""
    server = PageServer(answer)
    try:
        yield server
    finally:
        server.close()
