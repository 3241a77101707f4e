"""What a probe found out, kept in the user's cache folder so that a server is probed once."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from recsim_llm.core.cache import cache_folder
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.wire import Abilities
from recsim_llm.language.probing.probe_choice import give_reason
from recsim_llm.language.probing.probe_costs import WayCost

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ProbeFinding", "ProbeReport", "load_probe", "probe_command", "probe_file", "require", "save_probe"]

_FORMAT = 6
_EARLIER_FORMATS = range(1, _FORMAT)
UNFINISHED = "not looked for to its end"
"""How the evidence of a finding begins whose time was over."""
_LACKS = {
    "decision": "has no decision endpoint that answers",
    "logprobs": "does not list the log-probabilities of all options of a question",
    "json": "does not keep to the schema in response_format",
    "samples": "gives no answers at temperature 1 that vary and can be read",
    "forced": "does not tell how likely the answers to a question asked alone are",
}


class ProbeFinding(NamedTuple):
    """One thing that a probe looked for."""

    ability: str
    """What: ``answers``, ``context`` (tokens of one call), ``decision``, ``forced``, ``labels``, ``logprobs``, ``json``,
    ``schemas`` (JSON Schemas with alternatives and bounds), ``samples``, ``n``, ``seed``, ``repeatable`` (equal questions get
    equal probabilities), ``prefix_cache``, ``tools`` (calls of their own) or ``concurrency``."""
    answer: str
    """``yes``, ``no``, ``ignored`` (asked for, accepted, not done), ``refused (STATUS, CAUSE)`` or ``unknown``."""
    evidence: str
    """What was seen, one line."""


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """What a server was found to do."""

    model: str
    """``provider/model``."""
    base_url: str
    """Address, without credentials; empty for a model in this process."""
    when: str
    """Time of the probe, ISO 8601, UTC."""
    findings: tuple[ProbeFinding, ...]
    """In the order of looking."""
    abilities: Abilities
    """What follows for the use of the model."""
    latency_seconds: float | None = None
    """Median of a short call alone; None: no call was answered."""
    prompt_tokens: float | None = None
    """Mean tokens read for the page of two items that is asked about; None: the server does not tell."""
    calls: int = 0
    """Requests sent."""
    seconds: float | None = None
    """How long the probe took; None: not measured."""
    costs: Mapping[str, WayCost] = field(default_factory=dict)
    """What a page of ten items would cost by each way that works."""

    @property
    def answers(self) -> bool:
        """Whether the server did anything at all that was asked."""
        return any(finding.answer == "yes" for finding in self.findings)

    def unknown(self, elicitation: str) -> str:
        """Return why it was not found out whether a way to a decision works; empty where it was, and for ``auto``."""
        return next((found.evidence for found in self.findings if found[:2] == (elicitation, "unknown")), "")

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values for JSON, from which ``from_json`` restores it exactly."""
        abilities = asdict(self.abilities)
        abilities = {"realisations": abilities.pop("elicitations"), **abilities}
        findings = [finding._asdict() for finding in self.findings]
        costs = {way: cost._asdict() for way, cost in self.costs.items()}
        return {"format": _FORMAT, **asdict(self), "findings": findings, "abilities": abilities, "costs": costs}

    @classmethod
    def from_json(cls, values: object) -> ProbeReport:
        """Return the report that ``to_json`` gave, also after a way through JSON text.

        Raises:
            DataError: the values are not such a report.
        """
        try:
            columns = dict(cast(Mapping[str, Any], values))
            if columns.pop("format") != _FORMAT:
                raise ValueError("another format")
            findings = tuple(ProbeFinding(**finding) for finding in columns.pop("findings"))
            costs = {way: WayCost(**cost) for way, cost in columns.pop("costs").items()}
            abilities = dict(columns.pop("abilities"))
            elicitations, renormalised = tuple(abilities.pop("realisations")), tuple(abilities.pop("renormalised"))
            if not {*elicitations, *renormalised} <= set(get_args(Elicitation)):
                raise ValueError("an unknown elicitation")
            found = Abilities(elicitations=elicitations, renormalised=renormalised, **abilities)
            return cls(findings=findings, costs=costs, abilities=found, **columns)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"probe report: got {error}, expected what a probe wrote; probe again") from error

    def rows(self) -> list[tuple[str, str, str]]:
        """Return ability, answer and evidence, what was measured after what was found."""
        latency = "unknown" if self.latency_seconds is None else f"{1000 * self.latency_seconds:.0f} ms"
        tokens = "unknown" if self.prompt_tokens is None else f"{self.prompt_tokens:.0f}"
        usable = ", ".join(self.abilities.elicitations) or "none"
        taken = self.abilities.elicitations[0] if self.abilities.elicitations else "none"
        return [
            *((finding.ability, finding.answer, finding.evidence) for finding in self.findings),
            ("latency", latency, "median of a short call alone"),
            ("prompt_tokens", tokens, "mean for a page of two items"),
            *((f"a page by {way}", "", cost.text()) for way, cost in self.costs.items()),
            ("realisations", usable, "ways to a decision that work, best first"),
            ("a run takes", taken, give_reason(self.abilities, {name: answer for name, answer, _ in self.findings})),
        ]

    def table(self, more: Sequence[tuple[str, str, str]] = ()) -> Table:
        """Lay out the report for a terminal, with more rows of the same kind below."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        title = f"{self.model}{' at ' if self.base_url else ''}{self.base_url}, {self.when}, {self.calls} calls"
        title += "" if self.seconds is None else f", {self.seconds:.0f} s"
        table = Table("Ability", "Answer", "Evidence", title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=0)
        for row in [*self.rows(), *more]:
            # What a server said may hold brackets, which are no markup.
            table.add_row(*(Text(cell) for cell in row))
        return table


def probe_file(name: str, base_url: str) -> Path:
    """Return the file that keeps the report of a model: ``probes/`` in the user's cache folder."""
    digest = blake2b(f"{name}\n{base_url.rstrip('/')}".encode(), digest_size=8).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", name)[:60].strip("-.")
    return cache_folder() / "probes" / f"{slug}-{digest}.json"


def save_probe(report: ProbeReport) -> Path:
    """Keep a report in the user's cache folder and return its file.

    Raises:
        ConfigError: the server did not answer; that may be different next time and is not kept.
        DataError: the file cannot be written.
    """
    if not report.answers:
        first = report.findings[0] if report.findings else ProbeFinding("answers", "unknown", "nothing tried")
        late = first.evidence.startswith(UNFINISHED)
        remedy = (
            "probe it again when the machine has less to do, or take a smaller model"
            if late
            else "check the address and the model's name, and probe it again"
            if report.base_url
            else "try another model"
        )
        seen = first.evidence if late else f"{first.answer}: {first.evidence}"
        raise ConfigError(f"{report.model}: got no usable answer ({seen}), expected some; {remedy}")
    path = probe_file(report.model, report.base_url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(report.to_json(), indent=2).encode() + b"\n")
    except OSError as error:
        raise DataError(f"{path}: got {error.strerror}, expected a folder to write to; set XDG_CACHE_HOME") from error
    return path


def load_probe(name: str, base_url: str) -> ProbeReport | None:
    """Return the kept report of a model, or None where it was never probed, or by a release that looked for something else.

    Args:
        name: ``provider/model``.
        base_url: its address; empty for a model in this process.

    Raises:
        DataError: the file is damaged or cannot be read.
    """
    path = probe_file(name, base_url)
    try:
        kept = read_json(path)
        if isinstance(kept, dict) and kept.get("format") in _EARLIER_FORMATS:
            return None
        return ProbeReport.from_json(kept)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: got {error}, expected a readable report; remove the file and probe again") from error


def probe_command(name: str, base_url: str | None) -> str:
    """Return the command that probes a model."""
    return shlex.join(["recsim-llm", "probe", name, *(["--base-url", base_url] if base_url else [])])


def require(
    abilities: Abilities, elicitation: Elicitation, name: str, base_url: str | None = None, *, renormalise: bool = False
) -> None:
    """Check that a model can be asked in a certain way.

    Args:
        abilities: what its probe found.
        elicitation: the way.
        name: ``provider/model``, for the text.
        base_url: its address, for the text; None where it needs none.
        renormalise: percentages that do not sum to 100 will be divided by their sum.

    Raises:
        ConfigError: it cannot.
    """
    known: Sequence[str] = abilities.ways(renormalise)
    if elicitation in known:
        return
    if elicitation in abilities.renormalised:
        remedy = "have them divided by their sum, --set models.user.renormalise=true"
        raise ConfigError(
            f"got realisation {elicitation!r} for {name}, whose percentages do not sum to 100, expected 100; {remedy}"
        )
    expected = f"expected one of {', '.join(known)}" if known else "and found no other way to its decisions"
    raise ConfigError(
        f"got realisation {elicitation!r} for {name}, which {_LACKS[elicitation]}, {expected}; "
        f"run `{probe_command(name, base_url)}` to look again"
    )
