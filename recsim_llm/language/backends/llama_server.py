"""A llama.cpp server of our own: a process on this machine, started by the first call, gone when it is closed or we are."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import IO

from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.packaged_models import GgufFile

__all__ = ["LlamaServer"]

_PROCESS = Path(__file__).with_name("llama_process.py")
_CONTEXT, _PIECE, _KEPT_MIB = 4096, 1024, 1024
_TEMPLATE_KEY = b"tokenizer.chat_template"
_HEAD = 64 << 20
_BEGINNING = 64 << 10
_ENDING = 1.0
_LAST_WORDS = 160
_ERROR = re.compile(rb"^[\d.]+ E (.+)$", re.MULTILINE)
_PATIENCE = 5.0


class LlamaServer:
    """A model served by llama.cpp (package ``xllamacpp``) on a free port of loopback, for nobody who lacks its key.

    The server answers one call after another, in a context of 4,096 tokens, with as many threads as there are cores for this
    process, or as OMP_NUM_THREADS says. It keeps up to 1 GB of keys and values of earlier prompts: a prompt is read from where
    it first differs from one of them, so of a user's next page only the page. If it crashes, the next call starts another.

    Args:
        file: the model.

    Attributes:
        file: the model.
        key: what a call must bring as its API key.

    Raises:
        ConfigError: the package is missing, or the file has no chat template.
    """

    def __init__(self, file: GgufFile) -> None:
        if find_spec("xllamacpp") is None:
            raise ConfigError(
                f"model llamacpp/{file.path.name}: got no package xllamacpp, expected it, which serves the model; "
                "pip install xllamacpp"
            )
        if not file.template and not _holds_template(file.path):
            raise ConfigError(f"model {file.path}: got no chat template, expected a model trained for chat, in the format GGUF")
        self.key = secrets.token_hex(16)
        self.file = file
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._address, self._starter = "", 0
        self._said: IO[bytes] | None = None
        self._users = set[int]()

    async def start(self, user: object) -> str:
        """Return the address without a path; start the process where there is none.

        Args:
            user: who needs it, until ``leave``.

        Raises:
            ConfigError: it ends before it serves, for instance since the file is no model, or the package does not work here.
        """
        self._users.add(id(user))
        return self._address if self._serves() else await asyncio.to_thread(self._start)

    async def leave(self, user: object) -> None:
        """Say that somebody does not need it any more; with the last one the process ends."""
        self._users.discard(id(user))
        if not self._users:
            # Not in another thread: when the interpreter ends none begins any more. The process ends at once.
            self._stop()

    def last_words(self) -> str:
        """Return how the process ended and what it said at last; empty while it runs.

        Connections of a process that is ending break before its end can be seen: that is waited for, a second.
        """
        process = self._process
        try:
            status = None if process is None else process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            status = None
        if status is None:
            return ""
        said = b""
        if self._said is not None:
            self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 4 * _LAST_WORDS))
            said = self._said.read()
        words = _one_line(said)
        return f"exit status {status}" + (f": {words[-_LAST_WORDS:]}" if words else "")

    def _serves(self) -> bool:
        # A process that has begun has no address yet.
        process = self._process
        return bool(self._address) and process is not None and process.poll() is None and self._starter == os.getpid()

    def _start(self) -> str:
        with self._lock:
            if self._serves():
                return self._address
            self._forget()
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
            self._process, self._starter = self._begin(self._said), os.getpid()
            pipes = self._process.stdin, self._process.stdout
            if pipes[0] is None or pipes[1] is None:
                raise ConfigError("llama.cpp's process: got no pipes, expected two")
            try:
                pipes[0].write(json.dumps(self._settings()).encode() + b"\n")
                pipes[0].flush()
                line = pipes[1].readline()
            except OSError:  # It has ended already; how, is asked below.
                line = b""
            answer = json.loads(line) if line else {}
            if "address" not in answer:
                self._process.wait()
                raise self._refusal(answer)
            self._address = str(answer["address"])
            return self._address

    def _refusal(self, answer: dict[str, str]) -> ConfigError:
        if "missing" in answer:
            why = _one_line(answer["missing"].encode())[:_LAST_WORDS]
            expected = f"expected it, which serves the model llamacpp/{self.file.path.name}; pip install xllamacpp"
            return ConfigError(f"xllamacpp cannot be imported ({why}), {expected}")
        expected = "expected a GGUF file that llama.cpp can read; get it again, or a newer xllamacpp"
        return ConfigError(f"model {self.file.path}: cannot be loaded ({self._first_error() or self.last_words()}), {expected}")

    def _first_error(self) -> str:
        """Return the first of llama.cpp's errors, which tells most; those after it say that something failed."""
        if self._said is None:
            return ""
        self._said.seek(0)
        found = _ERROR.search(self._said.read(_BEGINNING))
        return _one_line(found[1])[:_LAST_WORDS] if found else ""

    def _settings(self) -> dict[str, object]:
        return {
            "path": str(self.file.path),
            "template": self.file.template,
            "key": self.key,
            "parent": os.getpid(),
            "threads": _threads(),
            "context": _CONTEXT,
            "piece": _PIECE,
            "kept_mib": _KEPT_MIB,
        }

    @staticmethod
    def _begin(said: IO[bytes]) -> subprocess.Popen[bytes]:
        # In a session of its own: an interrupt at the terminal is for the run, which ends its calls first. Threads that wait
        # for each other sleep, or on a busy machine they would spend the time of those they wait for.
        where = os.pathsep.join(path for path in sys.path if path)
        return subprocess.Popen(
            [sys.executable, "-P", str(_PROCESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "PYTHONPATH": where, "OMP_WAIT_POLICY": "PASSIVE"},
            start_new_session=True,
        )

    def _stop(self) -> None:
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        """End the process, if this process started it, and let go of what belongs to it."""
        process, self._process, self._address = self._process, None, ""
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            if self._starter == os.getpid():
                try:
                    process.wait(_PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if self._said is not None:
            self._said.close()
            self._said = None


def _one_line(said: bytes) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in said.decode("utf-8", "replace")).split())


def _threads() -> int:
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _holds_template(path: Path) -> bool:
    # Without one llama.cpp takes that of other models, and says nothing.
    with path.open("rb") as file:
        return _TEMPLATE_KEY in file.read(_HEAD)
