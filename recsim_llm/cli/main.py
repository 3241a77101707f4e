"""The command ``recsim-llm``: from arguments to an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recsim_llm.cli.parser import make_parser
from recsim_llm.errors import ConfigError, RecSimError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 2 with a one-line reason for bad input."""
    options = make_parser().parse_args(arguments)
    try:
        if getattr(options, "json", None) is not None and not options.json.parent.is_dir():
            raise ConfigError(f"--json: got {options.json}, expected a file in a folder that exists; make the folder first")
        options.handler(options)
    except RecSimError as error:
        print(f"recsim-llm: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("recsim-llm: stopped; a run that had begun goes on with `recsim-llm resume FOLDER`", file=sys.stderr)  # noqa: T201
        return 130
    return 0
