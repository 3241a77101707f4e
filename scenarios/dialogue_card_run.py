"""From what the command line says to a card of how simulated users talk."""

from __future__ import annotations

import shlex
from pathlib import Path

from recsim_llm import __version__
from recsim_llm.errors import ConfigError, RunExistsError
from recsim_llm.realism.card import Card
from recsim_llm.realism.dialogues.dialogue_files import open_dialogues
from recsim_llm.realism.dialogues.dialogue_samples import DialogueSample
from recsim_llm.realism.dialogues.dialogue_scores import dialogue_card
from recsim_llm.realism.dialogues.run_sample import sample_run
from recsim_llm.report.card_file import CARD_FILE

__all__ = ["dialogue_facts", "make_dialogue_card"]


def make_dialogue_card(out: Path, *, dialogues: Path, simulated: Path, part: str | None, seed: int) -> Card:
    """Measure how simulated users talk, beside people; nothing is written.

    Args:
        out: folder that the card will be written to; a card there is not overwritten.
        dialogues: file of people's.
        simulated: folder of a run whose users talk, or a file of simulated dialogues.
        part: name of the recommender of the run; None where there is only one, or for a file.
        seed: of the draws behind intervals.

    Raises:
        RunExistsError: there is a card in the folder.
        ConfigError: the recommender is unknown, must be named, or was named for a file.
        DataError: a file is not as it should be.
        LogError: the run is damaged, or nobody talks in it.
    """
    if (out / CARD_FILE).exists():
        raise RunExistsError(f"card: got {out}, which holds {CARD_FILE}, expected a folder without a card; pass another --out")
    return dialogue_card(_simulated(simulated, part), open_dialogues(dialogues), seed=seed)


def _simulated(path: Path, part: str | None) -> DialogueSample:
    if path.is_dir():
        return sample_run(path, part)
    if part is not None:
        raise ConfigError(f"--part: got {part!r} for the file {path.name}, expected it for runs; leave it out")
    return open_dialogues(path)


def dialogue_facts(*, dialogues: Path, simulated: Path, part: str | None, seed: int) -> dict[str, str]:
    """Return how a card was made, for its page."""
    command = ["recsim-llm", "realism", "--dialogues", str(dialogues), "--simulated", str(simulated)]
    command += [] if part is None else ["--part", part]
    return {"Command": shlex.join([*command, "--seed", str(seed)]), "Version": f"recsim_llm {__version__}"}
