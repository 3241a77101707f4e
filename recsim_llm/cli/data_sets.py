"""The verb about data: sets are downloaded, the invented shop is written, exposure logs are shown."""

from __future__ import annotations

import argparse
import shlex

from recsim_llm.cli.options import read_exposure_options
from recsim_llm.cli.output import make_console, print_lines, write_json
from recsim_llm.errors import ConfigError

__all__ = ["handle_data"]


def handle_data(options: argparse.Namespace) -> None:
    """Download a data set, write the invented shop, or show what an exposure log holds."""
    if options.verb != "show" and (options.json is not None or read_exposure_options(options)):
        raise ConfigError(f"data {options.verb}: got options of a log, expected them with `data show` only; leave them out")
    {"get": _get, "make": _make_shop, "show": _show}[options.verb](options)


def _get(options: argparse.Namespace) -> None:
    from recsim_llm.data import fetch, open_dataset

    if options.folder is not None:
        raise ConfigError(f"data get: got folder {options.folder}, expected none, since sets go into the cache; leave it out")
    folder = fetch(options.name)
    if not options.quiet:
        dataset = open_dataset(folder)
        make_console().print(f"{folder}\n{len(dataset.ratings):,} ratings of {len(dataset.catalog):,} items\n{dataset.licence}")


def _show(options: argparse.Namespace) -> None:
    from recsim_llm.data.exposure_logs.log_summary import summarise_log
    from recsim_llm.log import open_exposures

    if options.folder is not None:
        raise ConfigError(f"data show: got folder {options.folder}, expected one log at a time; leave it out")
    summary = summarise_log(open_exposures(options.name, **read_exposure_options(options)))
    write_json(options, summary.to_json())
    if not options.quiet:
        print_lines(summary.lines())


def _make_shop(options: argparse.Namespace) -> None:
    from recsim_llm.data.invented_shop import COLUMNS, write_tables
    from recsim_llm.log.folders import refuse_used_folder

    if options.name != "shop" or options.folder is None:
        got = f"{options.name!r} without a folder" if options.name == "shop" else repr(options.name)
        raise ConfigError(f"data make: got {got}, expected `recsim-llm data make shop FOLDER`")
    refuse_used_folder(options.folder, "data make")
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        paths = write_tables(options.folder)
    except OSError as error:
        raise ConfigError(f"data make: got {options.folder} ({error.strerror}), expected a folder that can be made") from error
    if not options.quiet:
        console = make_console()
        console.print("\n".join(map(str, paths)))
        columns = " ".join(f"--column {ours}={theirs}" for ours, theirs in COLUMNS.items())
        folder = shlex.quote(str(options.folder))
        console.print(f"next    recsim-llm run shop --data {folder} --feedback implicit {columns}")
