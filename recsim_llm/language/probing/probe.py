"""Finding out what a server really does: some accept ``response_format``, ``logprobs`` or ``seed`` and overlook them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from statistics import fmean
from threading import Event

from recsim_llm.language.backends.http_backend import HttpBackend
from recsim_llm.language.base.background import background_loop
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.wire import Backend
from recsim_llm.language.probing.probe_checks import Checks
from recsim_llm.language.probing.probe_report import ProbeFinding, ProbeReport, load_probe, probe_command, require, save_probe

__all__ = ["ProbeFinding", "ProbeReport", "load_probe", "probe", "probe_backend", "probe_command", "require", "save_probe"]

_PATIENCE = 10.0


def probe(backend: Backend, *, most_concurrent: int = 64, wanted: Elicitation | None = None) -> ProbeReport:
    """Find out what a model can do, by at most about 200 short calls.

    It looks for nothing new after 50 s once a way to a decision is found, or the one that is wanted; of a server that is slow
    to answer, after as long as 60 calls take.

    An HTTP backend is probed through connections of its own and stays usable in any event loop.

    Args:
        backend: the model; what it claims to be able to do does not count.
        most_concurrent: calls at once that are tried at most.
        wanted: the way to a decision that is looked for first; None: none before others.

    Returns:
        The report; that a server cannot be reached is a finding, not an error.
    """
    # On the loop of another thread, because in a notebook this one has an event loop that runs already; and not in a thread of
    # its own, which an interrupted process would wait for.
    ended = Event()
    probing = asyncio.run_coroutine_threadsafe(_probe(backend, most_concurrent, wanted, ended), background_loop())
    try:
        return probing.result()
    except BaseException:
        probing.cancel()
        # The future ends before the coroutine does, which has a server of our own to end.
        ended.wait(_PATIENCE)
        raise


async def probe_backend(backend: Backend, *, most_concurrent: int = 64, wanted: Elicitation | None = None) -> ProbeReport:
    """Find out what a model can do, in the running event loop; see ``probe``."""
    begun = time.perf_counter()
    checks = Checks(backend, most_concurrent=most_concurrent, wanted=wanted)
    findings = await checks.run()
    return ProbeReport(
        model=backend.name,
        base_url=backend.base_url if isinstance(backend, HttpBackend) else "",
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        findings=tuple(findings),
        abilities=checks.abilities,
        latency_seconds=checks.latency_seconds,
        prompt_tokens=fmean(checks.prompt_tokens) if checks.prompt_tokens else None,
        calls=checks.calls,
        seconds=time.perf_counter() - begun,
        costs={way: checks.costs.cost(way, checks.abilities) for way in checks.abilities.elicitations},
    )


async def _probe(backend: Backend, most_concurrent: int, wanted: Elicitation | None, ended: Event) -> ProbeReport:
    try:
        if not isinstance(backend, HttpBackend):
            return await probe_backend(backend, most_concurrent=most_concurrent, wanted=wanted)
        own = backend.with_abilities(None)
        try:
            return await probe_backend(own, most_concurrent=most_concurrent, wanted=wanted)
        finally:
            await own.close()
    finally:
        ended.set()
