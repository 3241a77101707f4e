"""The family of prompts that suits a model: named, or chosen by how well its users tell what a person liked with each.

What was measured is kept beside the probe's report, in the user's cache folder, and holds until it is measured again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsim_llm.agents.language.language_parameters import AUTO, LanguageParameters
from recsim_llm.agents.tuning.tuned_card import read_card
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.errors import DataError
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.probing.probe_report import probe_file
from recsim_llm.statistics.intervals import Estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = [
    "FAMILIES",
    "FAMILY_NOTE",
    "NAMED",
    "STAND_IN",
    "FamilyReport",
    "choose_family",
    "load_families",
    "save_families",
    "usual_family",
    "with_family",
]

FAMILIES = ("en", "en_compact")
"""Families that ``auto`` chooses from, the full one first."""

_FORMAT, _EARLIER_FORMATS = 2, (1,)
_STAND_INS = "scripted/"

FAMILY_NOTE = "templates"
"""Under what name the family and the reason for it are kept with a model's calls, a blank between them."""

NAMED = "named"
"""Why a model is asked in words that somebody chose."""
STAND_IN = "a stand-in"
"""Why a stand-in is asked in the words that it is asked in."""


@dataclass(frozen=True, kw_only=True)
class FamilyReport:
    """How well a model's users tell what a person liked later, with each family, on the same pages."""

    model: str
    """``provider/model``."""
    data: str
    """The data set."""
    users: int
    """Users that were asked about; one page each and family."""
    users_asked: tuple[int, ...]
    """Outside ids of all of them, and of those who were asked about opinions: on them the family was chosen."""
    areas: dict[str, Estimate]
    """AUC by family, among items that are equally popular; 0.5 is chance. One whose replies could not be read is missing."""
    difference: Estimate | None
    """AUC of the first family less that of the last, paired by user; None where one of them failed."""
    seconds: float
    """Time that it took."""

    @property
    def chosen(self) -> str | None:
        """The family that tells more, beyond doubt; else the last, which costs less; None where all failed."""
        if self.difference is not None and self.difference.low is not None and self.difference.low > 0:
            return FAMILIES[0]
        return next((family for family in reversed(FAMILIES) if family in self.areas), None)

    @property
    def why(self) -> str:
        """The reason for that choice, in one line."""
        told = ", ".join(f"{family} {self.areas[family].text(2)}" for family in FAMILIES if family in self.areas)
        return f"AUC on {self.data}, {self.users} users: {told or 'no family could be read'}" + (
            "" if self.difference is None else f"; {FAMILIES[0]} less {FAMILIES[-1]} {self.difference.text(2)}"
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """Return ability, answer and evidence, as ``ProbeReport.rows`` does."""
        rows = [
            (
                f"taste, {family}",
                self.areas[family].text(2) if family in self.areas else "no",
                f"AUC of later liked items among equally popular ones, {self.users} users of {self.data}; 0.5 is chance"
                if family in self.areas
                else "replies could not be read",
            )
            for family in FAMILIES
        ]
        return [*rows, ("templates", self.chosen or "unknown", self.why)]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, from which ``from_json`` restores the report."""
        return {"format": _FORMAT, **asdict(self), "chosen": self.chosen, "why": self.why}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FamilyReport:
        """Return the report that ``to_json`` gave.

        Raises:
            ValueError: the values are of another format.
        """
        if values.get("format") != _FORMAT:
            raise ValueError("another format")
        kept = {name: values[name] for name in ("model", "data", "users", "seconds")}
        areas = {family: Estimate(**found) for family, found in values["areas"].items()}
        gap = values["difference"]
        asked = tuple(int(user) for user in values["users_asked"])
        return cls(**kept, users_asked=asked, areas=areas, difference=None if gap is None else Estimate(**gap))


def choose_family(model: LanguageModel, wanted: str) -> tuple[str, str]:
    """Return the family whose words a model is asked in, and why.

    ``auto`` takes what was taken when the first of the kept calls was prepared; else what its model was trained in, where
    ``tune`` made it, what was measured, or, unmeasured, ``usual_family``. Stand-ins, which are written for it, get the full
    family, but for one whose calls file says otherwise: it stands for a model that is asked so.

    Args:
        model: that will be asked.
        wanted: a family, a folder, or ``auto``.

    Raises:
        DataError: what was measured is damaged.
    """
    if wanted != AUTO:
        return wanted, NAMED
    kept = model.noted(FAMILY_NOTE)
    if kept is None and model.name.startswith(_STAND_INS):
        return FAMILIES[0], STAND_IN
    family, _, why = model.note(FAMILY_NOTE, kept or " ".join(_family_of(model))).partition(" ")
    return family, why


def usual_family(elicitation: Elicitation) -> tuple[str, str]:
    """Return the family that ``auto`` stands for where nothing was measured, and why.

    The compact one, where questions are asked alone, which it was made for; otherwise the full one.
    """
    if elicitation == "forced":
        return FAMILIES[-1], "nothing was measured, and questions are asked alone"
    return FAMILIES[0], "nothing was measured"


def _family_of(model: LanguageModel) -> tuple[str, str]:
    card = None if model.place is None else read_card(model.place)
    if card is not None:
        return card.templates, "the model was tuned to these words"
    report = load_families(model.name, model.base_url)
    if report is not None and report.chosen is not None:
        return report.chosen, report.why
    return usual_family(model.elicitation)


def with_family(parameters: LanguageParameters, model: LanguageModel) -> LanguageParameters:
    """Return parameters that name the family which ``choose_family`` chooses.

    Raises:
        DataError: what was measured is damaged.
    """
    return replace(parameters, templates=choose_family(model, parameters.templates)[0])


def save_families(report: FamilyReport, base_url: str) -> None:
    """Keep what was measured of a model.

    Raises:
        DataError: the file cannot be written.
    """
    path = _families_file(report.model, base_url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(report.to_json(), indent=2).encode() + b"\n")
    except OSError as error:
        raise DataError(f"{path}: got {error.strerror}, expected a folder to write to; set XDG_CACHE_HOME") from error


def load_families(name: str, base_url: str) -> FamilyReport | None:
    """Return what was measured of a model, or None where nothing was, or by a release that kept less of it.

    Raises:
        DataError: the file is damaged or cannot be read.
    """
    path = _families_file(name, base_url)
    try:
        kept = read_json(path)
        return None if isinstance(kept, dict) and kept.get("format") in _EARLIER_FORMATS else FamilyReport.from_json(kept)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: got {error}, expected a readable report; remove the file and probe again") from error


def _families_file(name: str, base_url: str) -> Path:
    return probe_file(name, base_url).with_suffix(".families.json")
