"""``realism --dialogues``: a card of how simulated users talk, beside people."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from recsim_llm.cli.output import make_console, write_json
from recsim_llm.errors import ConfigError

__all__ = ["score_dialogues"]

_ELSEWHERE = (
    *("data", "exposures", "random_exposures", "users", "model", "base_url", "n_users", "seeds", "calibration", "families"),
    *("session_gap", "page_by", "layout", "set", "dry_run"),
)
"""Options of cards about ratings and exposure logs."""


def score_dialogues(options: argparse.Namespace) -> None:
    """Score how simulated users talk and print the card.

    Raises:
        ConfigError: an option is missing, or does not go with dialogues.
    """
    from secrets import randbelow

    from recsim_llm.log.locks import lock_folder
    from recsim_llm.report.realism_page import realism_table, write_realism
    from recsim_llm.scenarios.dialogue_card_run import dialogue_facts, make_dialogue_card

    _check(options)
    seed = randbelow(2**31) if options.seed is None else options.seed
    out = options.out or Path("cards") / f"dialogues-{datetime.now():%Y%m%d-%H%M%S}"
    told = {"dialogues": options.dialogues, "simulated": options.simulated, "part": options.part, "seed": seed}
    with lock_folder(out, "card"):
        content = make_dialogue_card(out, **told).to_json()
        page = write_realism(content, out, dialogue_facts(**told))
    write_json(options, content)
    if not options.quiet:
        console = make_console()
        console.print(realism_table(content))
        console.print(f"card    {out}\nreport  {page}")


def _check(options: argparse.Namespace) -> None:
    for name, other in (("dialogues", "simulated"), ("simulated", "dialogues")):
        if getattr(options, name) is None:
            remedy = "FILE, people's dialogues" if name == "dialogues" else "RUN, a run whose users talk, or a file of theirs"
            raise ConfigError(f"realism: got --{other} without --{name}, expected both; pass --{name} {remedy}")
    given = [name for name in _ELSEWHERE if getattr(options, name)]
    if given:
        name = given[0].replace("_", "-")
        raise ConfigError(f"--{name}: got it with --dialogues, expected it with --data or --exposures; leave it out")
