"""What options of several verbs stand for, and consent before much is spent."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from recsim_llm.cli.output import make_console
from recsim_llm.errors import ConfigError

__all__ = [
    "ask_first",
    "read_exposure_options",
    "read_limits",
    "read_model",
    "read_sharding",
    "read_studied",
    "read_table_options",
    "read_world",
]


def read_table_options(options: argparse.Namespace) -> Any:
    """Return what was said about how the user's own tables are to be read, by the names of ``TableSettings``."""
    given = {
        "columns": _columns(options) or None,
        "skip_bad_rows": options.skip_bad_rows or None,
        "feedback": options.feedback,
        "rating_scale": None if options.rating_scale is None else _numbers("--rating-scale", options.rating_scale, "1,10"),
        "not_rated": _not_rated(options.not_rated),
        "constant_rating": options.constant_rating,
        "string_ids": options.string_ids or None,
        "genre_separator": options.genre_separator,
    }
    return {name: value for name, value in given.items() if value is not None}


def read_exposure_options(options: argparse.Namespace, *, alone: bool = True) -> Any:
    """Return how an exposure log is to be read, by the names of ``ExposureSettings``.

    Args:
        options: what was given.
        alone: there are no ratings beside it, so that what is said of tables is said of it.
    """
    tables = read_table_options(options) if alone else {}
    if unused := [name for name in ("constant_rating", "genre_separator") if name in tables]:
        raise ConfigError(f"--{unused[0].replace('_', '-')}: got it for a log, expected it with --data; leave it out")
    own = {name: getattr(options, name) for name in ("session_gap", "page_by", "layout", "part")}
    return tables | {name: value for name, value in own.items() if value is not None}


def read_world(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was said about a scenario's world by options of their own, by dotted keys of the scenario."""
    flags = {
        "data": options.data,
        **read_table_options(options),
        "users.model": options.users,
        "models.user.name": options.model,
        "models.user.base_url": options.base_url,
        "users.count": options.n_users,
        "max_pages": options.pages,
        "visits": options.visits,
        "slate_size": options.slate_size,
        "reward": options.reward,
        "seed": options.seed,
    }
    return {key: value for key, value in flags.items() if value is not None}


def _not_rated(text: str | None) -> Any:
    return text if text is None or text == "none" else _numbers("--not-rated", text, "0, 0,99 or none")


def _numbers(option: str, text: str, example: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise ConfigError(f"{option}: got {text!r}, expected numbers, for instance {option}={example}") from error


def _columns(options: argparse.Namespace) -> dict[str, str]:
    wrong = [pair for pair in options.column if not all(pair.partition("=")[::2])]
    if wrong:
        raise ConfigError(f"--column: got {wrong[0]!r}, expected NAME=THEIRS, for instance user_id=reviewer")
    return dict(pair.split("=", 1) for pair in options.column)


def read_model(name: str, base_url: str | None, /, **more: Any) -> Any:
    """Return the settings of a model that two options name, and others by their names, checked."""
    from recsim_llm.language.base.addresses import parse_address
    from recsim_llm.language.base.settings import ModelSettings

    for setting, option in (("name", "--model"), ("base_url", "--base-url")):
        if setting in more:
            got = f"--set models.user.{setting}: got {more[setting]!r}"
            raise ConfigError(f"{got}, expected that as {option} {more[setting]}; leave it out")
    address = None if base_url is None else parse_address(base_url, "--base-url")
    return ModelSettings.read({"name": name, "base_url": address, **more}, "--model")


def read_studied(options: argparse.Namespace, asked: dict[str, Any]) -> Any:
    """Return the settings of the model that a study is of, with what ``--set`` says of it; None where there is none."""
    if options.model is None and asked:
        raise ConfigError(f"--set models.user.{next(iter(asked))}: got no model to be set, expected --model provider/name")
    return None if options.model is None else read_model(options.model, options.base_url, **asked)


def read_limits(options: argparse.Namespace) -> dict[str, float]:
    """Return the limits that were given, by name."""
    names = ("calls", "calls_a_user", "tokens", "cost", "seconds")
    given = {name: getattr(options, f"max_{name}") for name in names}
    return {name: value for name, value in given.items() if value is not None}


def read_sharding(options: argparse.Namespace) -> Any:
    """Return where and in how many shards users are served; None where nobody asked for shards.

    Raises:
        ConfigError: what was asked for cannot be.
    """
    if options.backend is None and options.shards is None and options.address is None:
        return None
    # Only here, since few ask for it.
    from recsim_llm.shards.sharding import Sharding

    backend = options.backend or ("processes" if options.address is None else "ray")
    return Sharding.checked(backend, os.cpu_count() or 1 if options.shards is None else options.shards, options.address)


def ask_first(estimate: Any, *, options: argparse.Namespace) -> None:
    """Say what must be known of the users and what is about to be asked of language models; ask before much is spent."""
    if not options.quiet:
        console = make_console(stderr=True)
        for line in (*estimate.warnings, estimate.text()):
            console.print(line)
    if options.yes or not estimate.large:
        return
    verb = options.parser.prog.split()[-1]
    if not sys.stdin.isatty():
        raise ConfigError(
            f"{verb}: got {estimate.text()} without anyone to ask, expected consent; pass --yes or lower --n-users"
        )
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ConfigError(f"{verb}: called off before anything was asked")
