"""The command ``recsim-llm``: from arguments to an exit status."""

from __future__ import annotations

import os
import sqlite3
import sys
import traceback
from collections.abc import Sequence

from recsim_llm.cli.endings import ending, heed_signals
from recsim_llm.cli.output import print_problem
from recsim_llm.cli.parser import make_parser
from recsim_llm.errors import ConfigError, PlugInError, RecSimError, hide_secrets
from recsim_llm.terminal_text import printable

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or another with a one-line reason, see ``recsim_llm.cli.endings``."""
    options = make_parser().parse_args(arguments)
    if os.getcwd() not in sys.path:
        # ``module:attribute`` finds files of the current folder, as with ``python -m``; last, so that they hide no library.
        sys.path.append(os.getcwd())
    try:
        with heed_signals():
            if getattr(options, "json", None) is not None and not options.json.parent.is_dir():
                raise ConfigError(f"--json: got {options.json}, expected a file in a folder that exists; make the folder first")
            status: int = options.handler(options) or 0
            sys.stdout.flush()
    except (RecSimError, KeyboardInterrupt, OSError, sqlite3.Error, MemoryError) as error:
        if options.traceback and not isinstance(error, KeyboardInterrupt):
            sys.stderr.write(printable(hide_secrets("".join(traceback.format_exception(error)))))
        line, status = ending(error)
        print_problem(line)
        if isinstance(error, PlugInError) and not options.traceback:
            print_problem("--traceback shows all of the code that led there")
        _drop_output()
        return status
    return status


def _drop_output() -> None:
    """Leave out what cannot be printed any more, about which the interpreter would complain at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
