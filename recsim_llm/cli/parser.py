"""The verbs of the command ``recsim-llm``."""

from __future__ import annotations

import argparse

from recsim_llm import __version__
from recsim_llm.cli.plain_parser import PlainParser
from recsim_llm.cli.run_parsers import (
    compare_parser,
    export_parser,
    list_parser,
    new_parser,
    report_parser,
    resume_parser,
    run_parser,
    speak_parser,
    sql_parser,
    watch_parser,
)
from recsim_llm.cli.study_parsers import audit_parser, ope_parser, warm_parser
from recsim_llm.cli.suites import suite_parser
from recsim_llm.cli.training_parsers import train_parser, tune_parser
from recsim_llm.cli.user_parsers import (
    calibrate_parser,
    data_parser,
    fit_parser,
    personas_parser,
    probe_parser,
    realism_parser,
    tools_parser,
)

__all__ = ["make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command; each verb's handler is the default of ``handler``."""
    parser = PlainParser(
        prog="recsim-llm", description="A wind tunnel for recommenders: simulated users browse recommendations page by page."
    )
    parser.add_argument("--version", action="version", version=f"recsim-llm {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run_parser(commands)
    compare_parser(commands)
    suite_parser(commands)
    watch_parser(commands)
    train_parser(commands)
    tune_parser(commands)
    resume_parser(commands)
    report_parser(commands)
    speak_parser(commands)
    export_parser(commands)
    sql_parser(commands)
    ope_parser(commands)
    audit_parser(commands)
    probe_parser(commands)
    tools_parser(commands)
    fit_parser(commands)
    calibrate_parser(commands)
    personas_parser(commands)
    realism_parser(commands)
    warm_parser(commands)
    data_parser(commands)
    new_parser(commands)
    list_parser(commands)
    return parser
