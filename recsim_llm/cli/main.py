"""The command ``recsim-llm``: from arguments to an exit status."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from recsim_llm.cli.output import print_problem
from recsim_llm.cli.parser import make_parser
from recsim_llm.core.terminal_text import printable
from recsim_llm.errors import ConfigError, PlugInError, RecSimError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 2 with a one-line reason for bad input."""
    options = make_parser().parse_args(arguments)
    if os.getcwd() not in sys.path:
        # ``module:attribute`` finds files of the current folder, as with ``python -m``; last, so that they hide no library.
        sys.path.append(os.getcwd())
    try:
        if getattr(options, "json", None) is not None and not options.json.parent.is_dir():
            raise ConfigError(f"--json: got {options.json}, expected a file in a folder that exists; make the folder first")
        options.handler(options)
    except RecSimError as error:
        if options.traceback:
            sys.stderr.write(printable("".join(traceback.format_exception(error))))
        print_problem(str(error))
        if isinstance(error, PlugInError) and not options.traceback:
            print_problem("--traceback shows all of the code that led there")
        return 2
    except KeyboardInterrupt:
        print_problem("stopped; a run that had begun goes on with `recsim-llm resume FOLDER`")
        return 130
    return 0
