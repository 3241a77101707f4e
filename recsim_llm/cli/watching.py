"""The verb of the command that shows a run in the browser while it goes on."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from recsim_llm.cli.endings import Terminated, ending, go_on_by_folder
from recsim_llm.cli.options import ask_first
from recsim_llm.cli.output import make_console, print_problem
from recsim_llm.cli.runs import finish_run, scenario_flags
from recsim_llm.errors import ConfigError, RecSimError

if TYPE_CHECKING:
    from recsim_llm.watch.watch_server import WatchServer

__all__ = ["handle_watch"]


def handle_watch(options: argparse.Namespace) -> None:
    """Serve a page on which a run can be watched, until Ctrl-C."""
    from recsim_llm.scenarios.schema import load_scenario, parse_overrides
    from recsim_llm.watch.pacing import Pacer
    from recsim_llm.watch.watch_server import WatchServer
    from recsim_llm.watch.watched_run import open_watched

    if options.json is not None and options.out is None:
        raise ConfigError(f"--json: got {options.json} for a run that is not kept, expected --out DIR with it; leave it out")
    scenario = load_scenario(options.scenario, scenario_flags(options) | parse_overrides(options.set))
    # What is imported by now stays for good: full collections during the run need not search it.
    gc.freeze()
    confirm = partial(ask_first, options=options)
    with _going_on(options.out), open_watched(scenario, options.out, cache=options.cache, confirm=confirm) as run:
        pacer = Pacer(run, _tell)
        try:
            by = asyncio.run(_serve_until_stopped(WatchServer(run, pacer), options.port))
        finally:
            pacer.close()
        if pacer.error is not None:
            raise pacer.error
        if by == signal.SIGTERM:
            raise Terminated
    if options.out is None:
        return
    if run.finished:
        finish_run(options.out, options)
    elif not options.quiet:
        make_console().print(_left_off(options, changed=bool(run.by_hand)))


async def _serve_until_stopped(server: WatchServer, port: int) -> int:
    """Serve until Ctrl-C, which is how watching ends, or SIGTERM; return which.

    The loop heeds them between two tasks: an exception would end whichever task happens to run.
    """
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    heard: list[int] = []

    def stop(number: int) -> None:
        heard.append(number)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    serving, waiting = (asyncio.create_task(one) for one in (server.serve(port, _say_where), stopped.wait()))
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    return heard[0]


def _going_on(out: Path | None) -> AbstractContextManager[None]:
    return nullcontext() if out is None else go_on_by_folder(out)


def _say_where(address: str) -> None:
    # Not for --quiet to leave out: nobody can guess it.
    make_console().print(f"watch   {address}\nCtrl-C ends it")


def _tell(error: Exception) -> None:
    """Say at once what ended the run; the page stays, to be looked at."""
    print_problem(ending(error)[0] if isinstance(error, RecSimError | OSError) else f"{type(error).__name__}: {error}")


def _left_off(options: argparse.Namespace, *, changed: bool) -> str:
    how = "changed by hand, so that nobody can go on with it" if changed else f"go on with `recsim-llm resume {options.out}`"
    return f"log     {options.out}, not finished; {how}"
