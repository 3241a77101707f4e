"""Dialogues of people, or of another simulator, from files as they are published; what a file is, its first line tells.

- CRSArena-Dial (Bernard et al. 2025), a JSON list: *satisfied* and *frustrated* are the ends of a scale.
- User Satisfaction Simulation (Sun et al. 2021, SIGIR), text lines: the ratings that most annotators gave, the lower one of
  equals, as its authors take them; those of ``OVERALL`` are the dialogue's.
- ReDial (Li et al. 2018, NeurIPS), JSON lines: a movie that was suggested, not seen before and liked was accepted.
- INSPIRED (Hayati et al. 2020, EMNLP), tab-separated: ``fine_label`` says what was accepted.
- ``conversations.jsonl`` of ``recsim-llm export``: acts and satisfaction as in the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from recsim_llm.errors import DataError
from recsim_llm.realism.dialogues import json_dialogues as in_json
from recsim_llm.realism.dialogues import text_dialogues as in_text
from recsim_llm.realism.dialogues.dialogue_samples import DialogueSample, ToldDialogue

__all__ = ["MOST_BYTES", "MOST_DIALOGUES", "open_dialogues"]

MOST_BYTES = 256 << 20
"""Size of a file; the largest of those named is a twentieth of it."""
MOST_DIALOGUES = 200_000
"""Dialogues in a file."""

_STARS, _ENDS = tuple(level / 4 for level in range(5)), (0.0, 1.0)
_EXPECTED = (
    "dialogues of CRSArena-Dial, User Satisfaction Simulation, ReDial, INSPIRED, or conversations.jsonl of `recsim-llm export`"
)


class _Form(NamedTuple):
    """A kind of file."""

    name: str
    """In words."""
    fits: Callable[[str], bool]
    """Tells it by the first line."""
    read: Callable[[str], Iterable[ToldDialogue | None]]
    """Reads a whole text; None for a dialogue in which the user says nothing."""
    scale: tuple[float, ...] | None = None
    """Levels of satisfaction; None for those of a simulation, which are continuous."""


_FORMS = (
    _Form("CRSArena-Dial", lambda line: line.startswith("["), in_json.read_crsarena, _ENDS),
    _Form("conversations of an export", lambda line: '"conversation_id"' in line, in_json.read_own),
    _Form("ReDial", lambda line: '"initiatorWorkerId"' in line, in_json.read_redial),
    _Form("INSPIRED", lambda line: line.split("\t")[0] == "dialog_id", in_text.read_inspired),
    _Form("User Satisfaction Simulation", in_text.is_satisfaction, in_text.read_satisfaction, _STARS),
)


def open_dialogues(path: Path) -> DialogueSample:
    """Open a file of dialogues.

    Raises:
        DataError: it cannot be read, is too large, is of no kind that is known, or what it holds is not as in that kind; in one
            line, which names the dialogue or the line of the file.
    """
    content = _content(path)
    text = _decoded(path, content)
    first = text.lstrip().partition("\n")[0].strip()
    form = next((form for form in _FORMS if form.fits(first)), None)
    if form is None:
        raise DataError(f"{path.name}: got a file that begins with {first[:40]!r}, expected {_EXPECTED}; check the file")
    dialogues, silent = _read(path, form, text)
    scale: Mapping[str, tuple[float, ...]] = {} if form.scale is None else {"levels": form.scale}
    return DialogueSample(
        name=path.name,
        form=form.name,
        fingerprint=hashlib.sha256(content).hexdigest()[:16],
        dialogues=dialogues,
        notes=(f"{silent} dialogues in which the user says nothing are left out",) if silent else (),
        **scale,
    )


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"{path.name}: got {size:,} bytes, expected {MOST_BYTES:,} at most; cut the file into parts")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: got {error.strerror or error}, expected a file of dialogues; check the path") from error


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: got byte {error.start} that is no UTF-8, expected UTF-8; save the file as it") from error


def _read(path: Path, form: _Form, text: str) -> tuple[tuple[ToldDialogue, ...], int]:
    dialogues: list[ToldDialogue] = []
    silent = 0
    try:
        for dialogue in form.read(text):
            silent += dialogue is None
            dialogues += [] if dialogue is None else [dialogue]
            if len(dialogues) > MOST_DIALOGUES:
                raise DataError(
                    f"got more than {MOST_DIALOGUES:,} dialogues, expected so many at most; cut the file into parts"
                )
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error
    return tuple(dialogues), silent
