"""The verb about tools: what agents can look up in a catalog, one call of it, and a server of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from recsim_llm.cli.options import read_table_options
from recsim_llm.cli.output import make_console, print_lines, write_json
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.safe_text import safe_text

__all__ = ["handle_tools"]

_SHOWN = 200
"""Characters of wrong arguments that are told."""


def handle_tools(options: argparse.Namespace) -> int:
    """Show the tools, call one of them, or serve them; return 2 where the call is wrong."""
    from recsim_llm.data import open_dataset
    from recsim_llm.tools.service import NOBODY, ToolService

    if options.mcp and (options.tool is not None or options.json is not None):
        raise ConfigError("tools: got --mcp with a call or --json, expected the server alone; leave the others out")
    dataset = open_dataset(options.data, **read_table_options(options))
    user_id = NOBODY if options.user is None else _user_id(options.user, dataset)
    friends = None if options.friends is None else _friends(options.friends, dataset)
    service = ToolService(dataset, options.base, user_id=user_id, friends=friends)
    if options.mcp:
        from recsim_llm.tools.mcp_server import serve

        serve(service)
        return 0
    if options.tool is not None:
        return _call(service, options)
    _show(service, options)
    return 0


def _show(service: Any, options: argparse.Namespace) -> None:
    from recsim_llm.tools.tool_arguments import openai_tools

    write_json(options, openai_tools(service.tools))
    if options.quiet:
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("Tool", "What it does", "Arguments", box=SIMPLE_HEAD, padding=0)
    for tool in service.tools:
        table.add_row(tool.name, tool.about, ", ".join(tool.arguments.model_fields))
    make_console().print(table)


def _call(service: Any, options: argparse.Namespace) -> int:
    given = safe_text(options.arguments, _SHOWN)
    try:
        arguments = json.loads(options.arguments)
    except (ValueError, RecursionError) as error:
        got = f"got '{given}' ({error})"
        raise ConfigError(f"tools: {got}, expected arguments as JSON, for instance '{{\"count\": 5}}'") from error
    if not isinstance(arguments, dict):
        raise ConfigError(f"tools: got arguments '{given}', expected a JSON object; write {{}} for none")
    text, wrong = service.call(options.tool, arguments)
    write_json(options, json.loads(text))
    if not options.quiet:
        print_lines(json.dumps(json.loads(text), indent=1, ensure_ascii=False).splitlines())
    return 2 if wrong else 0


def _user_id(given: str, dataset: Any) -> int:
    """Return the id of a user, who may be named by the data's own text."""
    own = {key: user for user, key in dataset.user_keys.items()}
    user_id: int = own.get(given, int(given) if given.isdecimal() and not own else -1)
    if user_id not in set(dataset.ratings.users.tolist()):
        raise ConfigError(f"--user: got {given!r}, expected one of the {len(dataset.ratings.users):,} users of the data")
    return user_id


def _friends(path: Path, dataset: Any) -> dict[int, tuple[int, ...]]:
    """Return outside ids of each user's friends, out of a file of pairs."""
    from recsim_llm.data.friend_pairs import read_friend_pairs

    own = {key: user for user, key in dataset.user_keys.items()}
    pairs = read_friend_pairs(path, texts=bool(own))
    known, friends = set(dataset.ratings.users.tolist()), dict[int, set[int]]()
    for one, other in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
        ids = (own.get(one, -1), own.get(other, -1)) if own else (one, other)
        if ids[0] != ids[1] and known.issuperset(ids):
            friends.setdefault(ids[0], set()).add(ids[1])
            friends.setdefault(ids[1], set()).add(ids[0])
    if not friends:
        raise ConfigError(
            f"--friends: got no pair of users of the data in {path}, expected user_id and friend_id; check the file"
        )
    return {user: tuple(sorted(mine)) for user, mine in friends.items()}
