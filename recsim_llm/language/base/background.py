"""The event loop on which all language models of a process work: one daemon thread, started at first use."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["background_loop"]

_lock = threading.Lock()
_thread: threading.Thread | None = None
_loop: asyncio.AbstractEventLoop | None = None


def background_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop; a forked process, in which the thread does not go on, gets its own."""
    global _thread, _loop
    with _lock:
        if _loop is None or _thread is None or not _thread.is_alive():
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_loop.run_forever, name="recsim-llm language models", daemon=True)
            _thread.start()
        return _loop
