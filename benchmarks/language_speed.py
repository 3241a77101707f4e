"""What a language-model call costs this process: ``python benchmarks/language_speed.py``.

Calls are answered on loopback, by a process of its own, 200 ms after each arrives; 256 are in flight. For both transports the
bare backend and the whole of ``LanguageModel`` (cache look-up, limiter, budget, sending, reading, a committed row in the calls
file) are measured; ``in rounds`` asks one page of every user, waits for all, and asks the next, as a batch of users does.
``ideal`` is the lesser of what the latency allows, 256 calls in 0.2 s, and what one core allows; ``ratio`` is calls/s by that.

The server is a stand-in: a minimal asyncio protocol in this file that sends one prepared answer, because a server that reads
what it is asked would not keep up with the clients. ``--chaos`` takes the shipped chaos server instead.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import asyncio
import gc
import json
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from env_speed import processor

import recsim_llm
from recsim_llm.language import Ask, CallStore, LanguageModel, Part, Prompt, Question, score, yes_no
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.http_backend import HttpBackend
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.base.wire import Abilities
from recsim_llm.language.calls.limiter import AdaptiveLimiter

SLOTS = 10
QUESTIONS: tuple[Question, ...] = (
    *(yes_no(f"click_{slot}", f"Would you open item {slot}?") for slot in range(1, SLOTS + 1)),
    score("satisfaction", "How content are you with this page?"),
    yes_no("leave", "Do you stop browsing now?"),
)
ANSWER = json.dumps(
    {question.key: 20 if question.kind == "yes_no" else [10, 20, 30, 30, 10] for question in QUESTIONS}, separators=(",", ":")
)
BACKENDS: dict[str, type[HttpBackend]] = {"openai": OpenAIBackend, "aiohttp": AiohttpBackend}


class Figures(NamedTuple):
    """What was measured."""

    calls: int
    seconds: float
    cpu_seconds: float


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=256, help="calls in flight (256)")
    parser.add_argument("--pages", type=int, default=40, help="calls a user (40)")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before an answer (0.2)")
    parser.add_argument("--transports", nargs="+", choices=BACKENDS, default=[*BACKENDS], help="which to measure (all)")
    parser.add_argument("--repetitions", type=int, default=3, help="of which the fastest is printed (3)")
    parser.add_argument("--chaos", action="store_true", help="take the shipped chaos server instead of the stand-in")
    parser.add_argument("--profile", action="store_true", help="print where the event loop of LanguageModel spends its time")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.latency))
        return
    names = ("recsim_llm", "openai", "aiohttp")
    packages = ", ".join(f"{name} {recsim_llm.__version__ if name == 'recsim_llm' else version(name)}" for name in names)
    print(f"{packages}, Python {platform.python_version()}, {processor()}, {os.cpu_count()} cores")
    server_name = "chaos server" if options.chaos else "stand-in server"
    print(f"{options.users} calls in flight, {options.pages} a user, {server_name} with {options.latency * 1e3:g} ms latency\n")
    print(f"{'transport':<10} {'path':<24} {'calls/s':>8} {'CPU-ms/call':>12} {'ideal/s':>8} {'ratio':>6}")
    command = chaos_command(options.latency) if options.chaos else [sys.executable, __file__, "--serve"]
    command += [] if options.chaos else ["--latency", str(options.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            base_url = server.stdout.readline().strip() if server.stdout else ""
            for transport in options.transports:
                measure(transport, base_url, options)
        finally:
            server.terminate()


def measure(transport: str, base_url: str, options: argparse.Namespace) -> None:
    """Print the lines of one transport."""
    users, pages = options.users, options.pages
    measured = [asyncio.run(bare(open_backend(transport, base_url, users), users, pages)) for _ in range(options.repetitions)]
    line(transport, "backend alone", fastest(measured), options)
    if options.profile:
        start_profile()
        whole(open_backend(transport, base_url, users), users, pages, rounds=False)
        print_profile()
    for rounds in (False, True):
        measured = [
            whole(open_backend(transport, base_url, users), users, pages, rounds=rounds) for _ in range(options.repetitions)
        ]
        line(transport, "LanguageModel, in rounds" if rounds else "LanguageModel", fastest(measured), options)


def fastest(measured: list[Figures]) -> Figures:
    """Return the repetition that took the least time: on a shared machine the others measure its other work."""
    return min(measured, key=lambda figures: figures.seconds)


def open_backend(transport: str, base_url: str, users: int) -> HttpBackend:
    """Return a backend for the server."""
    abilities = Abilities(elicitations=("json",), concurrency=users)
    return BACKENDS[transport]("chaos", base_url=base_url, api_key="none", abilities=abilities)


def line(transport: str, path: str, figures: Figures, options: argparse.Namespace) -> None:
    """Print one line."""
    cpu = figures.cpu_seconds / figures.calls
    ideal, reached = min(options.users / options.latency, 1 / cpu), figures.calls / figures.seconds
    print(f"{transport:<10} {path:<24} {reached:>8,.0f} {cpu * 1e3:>12.3f} {ideal:>8,.0f} {reached / ideal:>6.2f}", flush=True)


async def bare(backend: HttpBackend, users: int, pages: int) -> Figures:
    """Send every call by the backend alone, one after another for each user."""

    async def user(asks: list[Ask]) -> None:
        for ask in asks:
            await backend.send(prepare(ask, "json"))

    by_user = [make_asks(pages, number) for number in range(users)]
    await asyncio.gather(*(user(asks[:2]) for asks in by_user))
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(user(asks) for asks in by_user))
    figures = Figures(users * pages, time.perf_counter() - started, time.process_time() - cpu)
    await backend.close()
    return figures


def whole(backend: HttpBackend, users: int, pages: int, *, rounds: bool) -> Figures:
    """Ask every page through a language model with a calls file."""
    warm_up = [ask for user in range(users) for ask in make_asks(2, users + user)]
    by_user = [make_asks(pages, user) for user in range(users)]
    by_page = [list(asks) for asks in zip(*by_user, strict=True)]
    batches = by_page if rounds else [[ask for asks in by_page for ask in asks]]
    with tempfile.TemporaryDirectory() as folder:
        store, limiter = CallStore(Path(folder) / "calls.sqlite"), AdaptiveLimiter(users, users)
        with LanguageModel(backend, elicitation="json", store=store, limiter=limiter) as model:
            model.ask(warm_up)
            gc.collect()
            gc.freeze()  # As the command line does before a run: what is there for good need not be searched again and again.
            started, cpu = time.perf_counter(), time.process_time()
            for asks in batches:
                model.ask(asks)
            return Figures(users * pages, time.perf_counter() - started, time.process_time() - cpu)


def make_asks(pages: int, user: int) -> list[Ask]:
    """Return what one user is asked; every page is another one."""
    rules = Part("rules", "You answer for one user of a film service. " * 25)
    persona = Part("persona", f"User {user}. You love Comedy, Drama and War. You seldom choose Horror. " * 4)
    return [Ask(Prompt((rules, persona, page(user, number))), QUESTIONS, subject=str(user)) for number in range(pages)]


def page(user: int, number: int) -> Part:
    """Return a page of ten films."""
    films = (
        f'{slot}. "Film {user}-{number}-{slot}" (1999) | Comedy, Drama | A film about films.' for slot in range(1, SLOTS + 1)
    )
    return Part("page", "<page>\n" + "\n".join(films) + "\n</page>")


class StandIn(asyncio.Protocol):
    """Answers every request with the same bytes, after a while; it reads no more than lengths."""

    def __init__(self, latency: float) -> None:
        usage = {
            "prompt_tokens": 600,
            "completion_tokens": 90,
            "total_tokens": 690,
            "prompt_tokens_details": {"cached_tokens": 300},
        }
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "chaos", "choices": [choice], "usage": usage}
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._reply, self._latency, self._received = head.encode() + content, latency, b""

    def connection_made(self, transport: Any) -> None:
        """Remember where to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self._received) < end + 4 + length:
                return
            self._received = self._received[end + 4 + length :]
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, self._reply)


async def serve(latency: float) -> None:
    """Run the stand-in and print its address."""
    server = await asyncio.get_running_loop().create_server(lambda: StandIn(latency), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def chaos_command(latency: float, script: str = "uniform") -> list[str]:
    """Return the command that runs the chaos server with a script and prints its address."""
    code = (
        "from recsim_llm.language.chaos.server import ChaosServer\nimport time\n"
        f"server = ChaosServer({script!r}, seed=1, latency={latency})\n"
        "print(server.base_url, flush=True)\ntime.sleep(3600)"
    )
    return [sys.executable, "-c", code]


def start_profile() -> None:
    """Profile the background loop's thread from now on."""
    import cProfile

    from recsim_llm.language.base.background import background_loop

    global _profile
    _profile = cProfile.Profile()
    background_loop().call_soon_threadsafe(_profile.enable)


def print_profile() -> None:
    """Print the dearest functions."""
    import pstats

    _profile.disable()
    pstats.Stats(_profile).sort_stats("tottime").print_stats(35)


_profile: Any = None

if __name__ == "__main__":
    main()
