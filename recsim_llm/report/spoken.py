"""What the report says of what users said: examples, the questionnaire, and whether texts agree with the decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from recsim_llm.errors import LogError
from recsim_llm.log.own_ids import USER_KEY, read_keys
from recsim_llm.log.tables import INTERVIEWS, TEXTS, has_table, read_table
from recsim_llm.report import numbers
from recsim_llm.report.side_files import DAMAGE
from recsim_llm.report.summary_tables import Cell
from recsim_llm.statistics import Estimate, mean_estimate, share_estimate

__all__ = [
    "Speech",
    "StarAgreement",
    "agreement_line",
    "example_source",
    "interview_table",
    "read_speech",
    "read_texts",
    "speech_section",
    "text_with_source",
]

Row = Mapping[str, Any]
Layout = Callable[[Iterable[str], Iterable[tuple[str, list[tuple[str, list[Cell]]]]]], str]

_EXAMPLES = 2  # of each recommender and kind of text, in the order of the file
_EXAMPLE_ARMS = 4
_LEVELS, _STARS = (1.0, 5.0), (0.0, 5.0)
_ASKED = {"review": "on", "taken": "why something was taken", "left": "why the visit was ended"}


@dataclass(frozen=True, kw_only=True)
class StarAgreement:
    """How well a judge who reads only the reviews finds the stars that were given."""

    reviews: int
    """Reviews that were judged."""
    within_one: Estimate
    """Share of reviews judged within one star of the rating, by user."""
    error: Estimate
    """Mean absolute difference of judged and given stars, by user."""
    chance_error: float | None
    """The same difference with every review held against the stars of all the others; None with fewer than two reviews."""

    @property
    def told_apart(self) -> bool:
        """Whether texts are nearer to their own decisions than to others', beyond the interval."""
        return self.error.high is not None and self.chance_error is not None and self.error.high < self.chance_error

    @property
    def contradicts(self) -> bool:
        """Whether texts are farther from their own decisions than from others', beyond the interval."""
        return self.error.low is not None and self.chance_error is not None and self.error.low > self.chance_error


@dataclass(frozen=True, kw_only=True)
class Speech:
    """What users of a run said."""

    models: dict[str, dict[str, str]]
    """Name and elicitation of the models, by role."""
    seed: int
    """Of the draw of moments."""
    texts: dict[str, int]
    """Texts by kind."""
    missing: int
    """Texts, judgements and interviews that could not be had."""
    agreement: StarAgreement | None
    """None without judged reviews."""
    statements: tuple[dict[str, Any], ...]
    """Key, construct, direction and words of each statement, in the order in which they were asked."""
    interviews: dict[str, dict[str, Estimate]]
    """Mean agreement by recommender and key of statement, 1 to 5, by user."""
    yes_saying: dict[str, Estimate]
    """By recommender: how far above the middle the mean of two opposite statements lies; 0 where nobody says yes to both."""
    examples: tuple[Row, ...]
    """A few rows of the texts: not picked, the first ones."""

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        content = asdict(self)
        del content["examples"]
        return content


def read_speech(run: Path) -> Speech | None:
    """Return what users of a run said; None where nobody was asked.

    Raises:
        LogError: the files cannot be read.
    """
    if not has_table(run, "texts"):
        return None
    try:
        texts, answers = read_texts(run), read_table(run, "interviews", INTERVIEWS.names).to_pylist()
        known = json.loads(read_table(run, "texts", TEXTS.names).schema.metadata[b"recsim_llm"])
        return _speech(known, texts, answers)
    except (LogError, *DAMAGE) as error:
        raise LogError(f"{run}: got {error!r} from the texts, expected what `recsim-llm speak` wrote; run it again") from error


def read_texts(run: Path) -> list[Row]:
    """Return the rows of ``texts``, each with the user's own id.

    Raises:
        LogError: the table cannot be read, or names a user who is not in the run.
    """
    table, keys = read_table(run, "texts", TEXTS.names), read_keys(run, USER_KEY)
    user_id = table["user_id"].to_numpy()
    own = user_id.tolist() if keys is None else keys.of(user_id).to_pylist()
    return [row | {USER_KEY: key} for row, key in zip(table.to_pylist(), own, strict=True)]


def speech_section(speech: Speech | None, layout: Layout) -> str:
    """Return the section of the page; nothing where nobody was asked.

    Args:
        speech: what was said.
        layout: makes a table of heads (HTML) and groups of rows (text).
    """
    if speech is None:
        return ""
    parts = [f"<h2>What users said</h2>\n<p>{escape(_introduction(speech))}</p>", *map(text_with_source, speech.examples)]
    if speech.agreement is not None:
        parts.append(f"<p>{escape(agreement_line(speech))}</p>")
    if speech.interviews:
        parts.append(layout([escape(arm) for arm in speech.interviews], [("", list(_interview_rows(speech)))]))
        note = (
            "Agreement with each statement after a visit, 1 not at all to 5 fully, with 95% intervals by user; statements "
            "stand for constructs of ResQue (Pu, Chen & Hu 2011). (−): worded against, low is good. Yes-saying is how far the "
            "mean of two opposite statements lies above the middle, 3: a model that contradicts itself says yes to both. "
            "These are answers of a model about a simulated visit, not of people; compare recommenders by them, and not with "
            "surveys."
        )
        parts.append(f'<p class="aside">{escape(note)}</p>')
    return "\n".join(parts)


def agreement_line(speech: Speech) -> str:
    """Say how well the judge found the given stars in the reviews, and what that is worth; empty without a judge."""
    agreement = speech.agreement
    if agreement is None:
        return ""
    within = numbers.with_interval(agreement.within_one, share=True)
    error = numbers.with_interval(agreement.error)
    alone = "" if agreement.error.low is not None else " (no interval: users are too few or all alike)"
    chance = numbers.plain(agreement.chance_error)
    claim = "That the texts carry the decisions is not shown: do not read them as the users' reasons."
    if agreement.told_apart:
        claim = "Texts fit their own decisions better than others'."
    elif agreement.contradicts:
        claim = "Texts contradict the decisions: do not use them."
    same = speech.models.get("judge", {}).get("name") == speech.models.get("writer", {}).get("name")
    doubt = " Writer and judge are the same model, which may read its own words too kindly." if same else ""
    return (
        f"A judge who read {numbers.count(agreement.reviews)} reviews without their stars came within one star of {within}; "
        f"mean error {error} stars{alone}, against {chance} if reviews were dealt out anew. {claim}{doubt}"
    )


def example_source(row: Row) -> str:
    """Say who wrote a text about what."""
    about = f"{_ASKED[row['kind']]} “{row['title']}”" if row["kind"] == "review" else _ASKED[row["kind"]]
    stars = "" if row["rating"] is None else f", {row['rating']:g} stars given"
    return f"{row['arm']}: user {row[USER_KEY]}, page {row['page'] + 1}, {about}{stars}"


def interview_table(speech: Speech) -> Table:
    """Lay out the questionnaire for a terminal: one column a recommender."""
    table = Table(title=Text("Questionnaire, agreement 1 to 5"), box=SIMPLE_HEAD, padding=0)
    table.title_justify = "left"
    for head in ("", *speech.interviews):
        table.add_column(Text(head), justify="right" if head else "left")
    for label, cells in _interview_rows(speech):
        table.add_row(Text(label), *(Text(f"{cell.value} {cell.interval}".rstrip()) for cell in cells))
    return table


def _speech(known: Mapping[str, Any], texts: Sequence[Row], answers: Sequence[Row]) -> Speech:
    reviews = [row for row in texts if row["kind"] == "review"]
    judged = [row for row in reviews if row["judged"] is not None]
    interviews, yes_saying = _interviews(known, answers)
    unread = sum(row["text"] is None for row in texts) + sum(
        row["text"] is not None and row["judged"] is None for row in reviews
    )
    lost = {(row["arm"], row["user_id"], row["visit"]) for row in answers if row["mean"] is None}
    return Speech(
        models={role: known["models"][role] for role in ("writer", "judge") if role in known["models"]},
        seed=known["seed"],
        texts={kind: sum(row["kind"] == kind and row["text"] is not None for row in texts) for kind in _ASKED},
        missing=unread + len(lost),
        agreement=_agreement(judged) if judged else None,
        statements=tuple(known["statements"]),
        interviews=interviews,
        yes_saying=yes_saying,
        examples=tuple(_examples(texts)),
    )


def _agreement(judged: Sequence[Row]) -> StarAgreement:
    given = np.array([row["rating"] for row in judged], np.float64)
    found = np.array([row["judged"] for row in judged], np.float64)
    gaps = np.abs(found[:, None] - given)
    own = gaps.diagonal()
    users = [row["user_id"] for row in judged]
    _, place = np.unique(np.asarray(users), return_inverse=True)
    others = len(judged) * (len(judged) - 1)
    return StarAgreement(
        reviews=len(judged),
        within_one=share_estimate(_sums(place, own <= 1.0), _sums(place, np.ones(len(place)))),
        error=mean_estimate(_by_user(users, own), bounds=_STARS),
        chance_error=float((gaps.sum() - own.sum()) / others) if others else None,
    )


def _interviews(known: Mapping[str, Any], answers: Sequence[Row]) -> tuple[dict[str, dict[str, Estimate]], dict[str, Estimate]]:
    means: dict[str, dict[str, dict[tuple[int, int], float]]] = {}
    for row in answers:
        if row["mean"] is not None:
            of_arm = means.setdefault(row["arm"], {statement["key"]: {} for statement in known["statements"]})
            of_arm[row["question"]][row["user_id"], row["visit"]] = row["mean"]
    estimates, yes_saying = {}, {}
    for arm, of_arm in means.items():
        estimates[arm] = {key: _estimate(visits, _LEVELS) for key, visits in of_arm.items()}
        pairs = [(of_arm[one], of_arm[other]) for one, other in known["opposites"]]
        excess = {visit: float(np.mean([(one[visit] + other[visit]) / 2 - 3 for one, other in pairs])) for visit in pairs[0][0]}
        yes_saying[arm] = _estimate(excess, (-2.0, 2.0))
    return estimates, yes_saying


def _estimate(visits: Mapping[tuple[int, int], float], bounds: tuple[float, float]) -> Estimate:
    return mean_estimate(_by_user([user for user, _ in visits], list(visits.values())), bounds=bounds)


def _sums(place: Any, values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return each user's sum."""
    return np.asarray(np.bincount(place, weights=values), np.float64)


def _by_user(users: Sequence[int], values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return each user's mean."""
    _, place = np.unique(np.asarray(users), return_inverse=True)
    return np.bincount(place, weights=np.asarray(values, np.float64)) / np.bincount(place)


def _examples(texts: Sequence[Row]) -> Iterator[Row]:
    arms = list(dict.fromkeys(row["arm"] for row in texts))[:_EXAMPLE_ARMS]
    for arm in arms:
        for kind in _ASKED:
            told = [row for row in texts if (row["arm"], row["kind"]) == (arm, kind) and row["text"] is not None]
            yield from told[: _EXAMPLES if kind == "review" else 1]


def text_with_source(row: Row) -> str:
    """Return a text as a paragraph, with who wrote it about what below."""
    return f'<p>{escape(row["text"])}<br><span class="aside">{escape(example_source(row))}</span></p>'


def _introduction(speech: Speech) -> str:
    writer = speech.models.get("writer", {}).get("name", "a language model")
    told = ", ".join(
        f"{numbers.count(count)} {name}"
        for name, count in (
            ("reviews", speech.texts["review"]),
            ("reasons for taking something", speech.texts["taken"]),
            ("reasons for leaving", speech.texts["left"]),
        )
        if count
    )
    missing = (
        f" {numbers.count(speech.missing)} answers could not be had; their causes are in calls.sqlite."
        if speech.missing
        else ""
    )
    first = f" {told[0].upper()}{told[1:]}; below are the first ones, not the best." if told else ""
    return (
        f"After the run, {writer} put decisions into words that had been drawn from the log by seed {speech.seed}; nothing "
        f"that is said here changed a decision.{first}{missing}"
    )


def _interview_rows(speech: Speech) -> Iterator[tuple[str, list[Cell]]]:
    arms = list(speech.interviews)
    yield "Users", [Cell(numbers.count(speech.yes_saying[arm].users)) for arm in arms]
    for statement in speech.statements:
        label = f"{statement['construct']}{' (−)' if statement['reverse'] else ''}: {statement['text']}"
        yield label, _cells([speech.interviews[arm][statement["key"]] for arm in arms])
    yield "Yes-saying", _cells([speech.yes_saying[arm] for arm in arms])


def _cells(estimates: Sequence[Estimate]) -> list[Cell]:
    digits = numbers.common_decimals(estimates)
    return [Cell(numbers.plain(each.value, digits), numbers.interval(each, digits)) for each in estimates]
