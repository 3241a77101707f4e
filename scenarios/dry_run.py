"""What a verb will ask of language models, found by rehearsing it: nothing is asked, and nothing is left behind.

The verb is carried out in a temporary folder with a stand-in in place of each model that is asked in the same form. So
prompts are the real ones, with all that users come to remember; pages, reflections and what a cascade leaves to the model
come out as they would with users who browse as the stand-in does. A model that leaves earlier or later moves the numbers
accordingly.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.calls.calls_file import FILE_NAME, open_calls
from recsim_llm.log.manifest import read_manifest, read_scenario_manifest
from recsim_llm.scenarios.audit_run import AuditRequest, make_audit
from recsim_llm.scenarios.block_runs import count_users, take_part
from recsim_llm.scenarios.calibration_run import CalibrationRequest, make_calibration
from recsim_llm.scenarios.model_outlook import Outlook, keep_outlook, lead_tokens, look_ahead, stand_in_for
from recsim_llm.scenarios.parameter_files import for_stand_in, with_files_read
from recsim_llm.scenarios.personas_run import PersonasRequest, make_personas
from recsim_llm.scenarios.realism_run import FIT, CardRequest, make_card
from recsim_llm.scenarios.runner import draw_seed, run
from recsim_llm.scenarios.schema import Block, Scenario
from recsim_llm.scenarios.speech import name_models, speak
from recsim_llm.scenarios.study_requests import calls_beside
from recsim_llm.scenarios.warming_run import WarmingRequest, make_warming
from recsim_llm.statistics import Estimate

__all__ = [
    "Forecast",
    "forecast_audit",
    "forecast_calibration",
    "forecast_card",
    "forecast_personas",
    "forecast_run",
    "forecast_speech",
    "forecast_warming",
]

_USERS = 100  # who rehearse
_NORMAL = 1.959963984540054
_WITH_BLANKS = 1.5
"""Tokens of an answer behind a lead: before digits a blank can be one."""
_USED = """
SELECT {by}, count(*), sum(coalesce(prompt_tokens, 0)), sum(coalesce(completion_tokens, 0)),
sum(json_array_length(parts.text)), sum(coalesce(prompt_tokens, 0) * json_array_length(parts.text)),
sum(lead_tokens(form, parts.text, 0)), sum(lead_tokens(form, parts.text, 1))
FROM calls JOIN parts ON parts.hash = calls.questions WHERE cache_hit = 0 AND {which} GROUP BY {by} ORDER BY {by}
"""
_BY_USER = _USED.format(by="role, subject", which="nonce != 'neutral'")
# Asked about nobody and shared by all: no user's own, and fewer a user the more users there are.
_NEUTRAL = _USED.format(by="role", which="nonce = 'neutral'")
_LIKELIHOODS = _USED.format(by="role", which="nonce != 'neutral' AND form = 'likelihood'")


class Forecast(NamedTuple):
    """What will be asked of language models; intervals are for users who browse as the stand-in does, 95%."""

    calls: Estimate
    """Calls."""
    prompt_tokens: Estimate
    """Tokens read."""
    answer_tokens: Estimate
    """Tokens written."""
    cost: Estimate | None
    """US dollars; None where a price is not known."""
    seconds: Estimate | None
    """Time that the calls take; None where a model was never probed."""
    forms: Mapping[str, str]
    """By role: the elicitation in which its model is asked."""
    guessed: tuple[str, ...]
    """Roles whose model was never probed, so that the form is a guess."""
    users: int
    """Users who rehearsed."""
    everyone: int
    """Users for whom it is foretold."""
    contrast_calls: float = 0.0
    """Of the calls, those for what users' answers are set against; at most, since users share answers about nobody."""
    contrast_tokens: float = 0.0
    """Tokens of these."""

    def lines(self) -> list[str]:
        """Say it, a line each."""
        if not self.calls.value:
            return ["no language model will be asked"]
        by = f" by {self.users:,} of {self.everyone:,} users" if self.everyone > self.users else ""
        said = [
            f"calls    {_amount(self.calls)}",
            f"tokens   {_amount(self.prompt_tokens)} read, {_amount(self.answer_tokens)} written",
            "money    " + ("price unknown; set models.ROLE.prices" if self.cost is None else _amount(self.cost, "$", 2)),
            "time     "
            + ("unknown; `recsim-llm probe` measures it" if self.seconds is None else f"{_seconds_of(self.seconds)} s"),
            *(
                [f"contrast at most {self.contrast_calls:,.0f} of the calls and {self.contrast_tokens:,.0f} of the tokens"]
                if self.contrast_calls
                else []
            ),
            f"rehearsed{by} with a stand-in asked by "
            + ", ".join(f"{form} ({role})" for role, form in self.forms.items())
            + "; a model that leaves earlier or later asks for less or more",
        ]
        if self.guessed:
            said.append(f"the form is a guess for {', '.join(self.guessed)}; `recsim-llm probe` finds it out")
        return [*said, "nothing was asked and nothing was written"]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; keys are stable."""
        amounts = {name: getattr(self, name) for name in ("calls", "prompt_tokens", "answer_tokens", "cost", "seconds")}
        return {
            **{
                name: amount and {"value": amount.value, "low": amount.low, "high": amount.high}
                for name, amount in amounts.items()
            },
            "forms": dict(self.forms),
            "guessed": list(self.guessed),
            "users_rehearsed": self.users,
            "users": self.everyone,
            "contrast_calls": self.contrast_calls,
            "contrast_tokens": self.contrast_tokens,
        }


def forecast_run(scenario: Scenario) -> Forecast:
    """Return what a run or comparison will ask, all of its users served.

    Args:
        scenario: what would be run.

    Raises:
        ConfigError: it could not be run.
    """
    scenario = draw_seed(scenario)
    if not scenario.models:
        return _summed({}, {}, {}, users=1, everyone=1)
    known = {role: look_ahead(model) for role, model in scenario.models.items()}
    everyone, part = None, scenario
    if scenario.users.block is None:
        everyone = count_users(scenario)
        if everyone > _USERS:
            part = take_part(scenario, Block(size=_USERS, number=0))
    settings = for_stand_in(with_files_read(part)).model_dump(mode="json")
    settings |= {
        "models": {role: stand_in_for(model, role).model_dump(mode="json") for role, model in known.items()},
        "limits": {},
    }
    with _stage() as folder:
        run(Scenario.model_validate(settings), folder, cache=_words(known.get("user"), folder))
        users = int(read_manifest(folder)["users"])
        depth = scenario.visits * scenario.max_pages * len(scenario.recommenders)
        return _summed(known, _used(folder, known), {}, users=users, everyone=everyone or users, depth=depth)


def forecast_speech(folder: Path, models: Mapping[str, Any], **asked: Any) -> Forecast:
    """Return what ``speak`` will ask.

    Args:
        folder: run folder; it is only read.
        models: as for ``speak``.
        asked: further arguments of ``speak``.
    """
    known = {role: look_ahead(model) for role, model in name_models(read_scenario_manifest(folder), models).items()}
    with _stage() as stage:
        stage.mkdir()
        for path in folder.resolve().iterdir():
            if not path.name.startswith((FILE_NAME, ".")):
                os.symlink(path, stage / path.name)
        speak(stage, models={role: stand_in_for(model).model_dump(mode="json") for role, model in known.items()}, **asked)
        return _summed(known, _used(stage, {}), {"writer": "text"}, users=1, everyone=1)


def forecast_card(request: CardRequest) -> Forecast:
    """Return what ``realism`` will ask; everything but the model's part is really computed, which takes its time."""
    if request.model is None:
        return _summed({}, {}, {}, users=1, everyone=1)
    known = look_ahead(request.model)
    with _stage() as folder:
        stand_in = replace(request, model=stand_in_for(known), cache=_words(known, folder), limits={})
        if request.calibration not in (None, FIT):
            stand_in = replace(stand_in, calibration=_for_stand_in(Path(request.calibration), folder.with_name("numbers.json")))
        make_card(stand_in, folder)
        return _summed({"user": known}, _used(folder, {"user": known}), {}, users=1, everyone=1)


def _for_stand_in(calibration: Path, place: Path) -> str:
    """Write down the numbers of a calibration without what they were fitted to, and return where."""
    replace(Calibration.load(calibration), record=None).save(place)
    return str(place)


def forecast_audit(request: AuditRequest) -> Forecast:
    """Return what ``audit`` will ask; it is carried out with the stand-in, which takes its time."""
    if request.model is None:
        return _summed({}, {}, {}, users=1, everyone=1)
    known = look_ahead(request.model)
    with _stage() as folder:
        make_audit(replace(request, model=stand_in_for(known), cache=_words(known, folder), limits={}), folder)
        asked = dict.fromkeys(("user", "policy", "writer"), known)
        return _summed(asked, _used(folder, asked), {}, users=1, everyone=1)


def forecast_calibration(request: CalibrationRequest) -> Forecast:
    """Return what ``calibrate`` will ask; what it fits beside the model is really fitted, which takes its time."""
    assert request.model is not None
    known = look_ahead(request.model)
    with _stage() as folder:
        folder.mkdir()
        out = folder / "calibration.json"
        make_calibration(replace(request, model=stand_in_for(known), cache=_words(known, folder), limits={}), out)
        os.replace(calls_beside(out), folder / FILE_NAME)
        return _summed({"user": known}, _used(folder, {"user": known}), {}, users=1, everyone=1)


def forecast_personas(request: PersonasRequest) -> Forecast:
    """Return what ``personas`` will ask."""
    if request.model is None:
        return _summed({}, {}, {}, users=1, everyone=1)
    known = look_ahead(request.model)
    with _stage() as folder:
        folder.mkdir()
        out = folder / "personas.json"
        make_personas(replace(request, model=stand_in_for(known), cache=None, limits={}), out)
        os.replace(calls_beside(out), folder / FILE_NAME)
        return _summed({"user": known}, _used(folder, {}), {"user": "text"}, users=1, everyone=1)


def forecast_warming(request: WarmingRequest) -> Forecast:
    """Return what ``warm`` will ask; everything but the model's part is really computed, which takes its time."""
    if request.model is None:
        return _summed({}, {}, {}, users=1, everyone=1)
    known = look_ahead(request.model)
    with _stage() as folder:
        make_warming(replace(request, model=stand_in_for(known), cache=_words(known, folder), limits={}), folder)
        return _summed({"user": known}, _used(folder, {"user": known}), {}, users=1, everyone=1)


@contextmanager
def _stage() -> Iterator[Path]:
    with TemporaryDirectory(prefix="recsim_llm-") as temporary:
        yield Path(temporary) / "rehearsal"


def _words(known: Outlook | None, folder: Path) -> Path | None:
    """Return a calls file, beside the rehearsal's folder, by which a stand-in is asked in the words of the model."""
    return None if known is None else keep_outlook(known, folder.with_name("outlook.sqlite"))


class _Used(NamedTuple):
    """What a role used, float64 [users] each, and calls, tokens read and written, float64 [3], of what is nobody's own."""

    calls: DoubleArray
    prompt_tokens: DoubleArray
    answer_tokens: DoubleArray
    neutral: DoubleArray
    likelihoods: DoubleArray


def _used(folder: Path, models: Mapping[str, Outlook]) -> dict[str, _Used]:
    """Return by role what each user's calls would use up, as a rehearsal tells.

    Args:
        folder: of the rehearsal.
        models: that are asked questions, by role.
    """
    if not (folder / FILE_NAME).exists():
        return {}
    with closing(open_calls(folder)) as connection:
        connection.create_function("lead_tokens", 3, lead_tokens)
        rows = connection.execute(_BY_USER).fetchall()
        apart = [
            {role: np.array([used], np.float64) for role, *used in connection.execute(query)}
            for query in (_NEUTRAL, _LIKELIHOODS)
        ]
    found = {}
    for role in dict.fromkeys(row[0] for row in rows):
        own = np.array([row[2:] for row in rows if row[0] == role], np.float64)
        shared = [_as_asked(of_roles.get(role, np.zeros((1, 7))), models.get(role))[:, 0] for of_roles in apart]
        found[role] = _Used(*_as_asked(own, models.get(role)), *shared)
    return found


def _as_asked(columns: DoubleArray, model: Outlook | None) -> DoubleArray:
    """Return calls, tokens read and written, ``[3, users]``; the stand-in answered pages where a server is asked questions.

    Args:
        columns: calls, tokens read, tokens written, questions, tokens read for each of them again, tokens of leads, and of
            leads whose common beginnings are read once, ``[users, 7]``.
        model: of the role; None where it is asked no questions.
    """
    if model is None or not model.alone:
        return np.stack([columns[:, 0], columns[:, 1] + columns[:, 6], columns[:, 2]])
    way = model.abilities.forced
    samples = model.settings.samples if way == "samples" else 1
    calls = math.ceil(samples / model.abilities.samples)
    written = samples * (1.0 if way in ("chat", "samples") else _WITH_BLANKS)
    return np.stack([calls * columns[:, 3], calls * (columns[:, 4] + columns[:, 5]), written * columns[:, 3]])


def _summed(
    models: Mapping[str, Outlook],
    used: Mapping[str, _Used],
    forms: Mapping[str, str],
    *,
    users: int,
    everyone: int,
    depth: int = 1,
) -> Forecast:
    """Add up the roles and stretch the rehearsal to everyone."""
    by_role = {role: models[role] for role in used}
    neutral = sum((used[role].neutral for role in used), np.zeros(3))
    calls, read, written = [
        _total([getattr(used[role], name) for role in used], users, everyone, float(neutral[place]))
        for place, name in enumerate(_Used._fields[:3])
    ]
    contrast = (neutral + sum((used[role].likelihoods for role in used), np.zeros(3))) * everyone / users
    cost: Estimate | None = None
    if all(model.settings.prices is not None for model in by_role.values()):
        spent = [_spent(used[role], model.settings) for role, model in by_role.items()]
        cost = _total(spent, users, everyone)
    asked = {role: forms.get(role) or model.form for role, model in by_role.items()}
    guessed = [role for role, model in by_role.items() if role not in forms and model.guessed]
    seconds = _seconds(by_role, used, everyone / users, depth)
    extra = float(contrast[0]), float(contrast[1:].sum())
    return Forecast(calls, read, written, cost, seconds, asked, tuple(guessed), users, everyone, *extra)


def _spent(used: _Used, model: ModelSettings) -> DoubleArray:
    prices = model.prices
    assert prices is not None
    spent: DoubleArray = (used.prompt_tokens * prices.input + used.answer_tokens * prices.output) / 1e6
    # A bill for what is nobody's own is everybody's in equal parts.
    shared = float(used.neutral[1] * prices.input + used.neutral[2] * prices.output) / 1e6 / max(len(spent), 1)
    return np.asarray(spent + shared)


def _total(columns: list[DoubleArray], users: int, everyone: int, neutral: float = 0.0) -> Estimate:
    """Return a sum over everyone; the interval is that of a new draw of as many users' behaviour.

    Of what is asked about nobody, more users need more at most in proportion, and no less than was needed.
    """
    value = (sum(float(column.sum()) for column in columns) + neutral) * everyone / users
    variance = sum(float(column.var(ddof=1)) for column in columns if len(column) > 1)
    half = _NORMAL * math.sqrt(variance * everyone * (1.0 + everyone / users))
    shared = neutral * (everyone / users - 1.0)
    return Estimate(value=value, low=max(value - half - shared, 0.0), high=value + half, users=users)


def _seconds(models: Mapping[str, Outlook], used: Mapping[str, _Used], stretch: float, depth: int) -> Estimate | None:
    """Return the time of the calls; those of one user wait for each other, ``depth`` of them at most."""
    least = most = 0.0
    for role, model in models.items():
        found = model.report
        if found is None or found.latency_seconds is None:
            return None
        at_once = model.settings.concurrency or found.abilities.concurrency
        cost = found.costs.get(model.form)
        # A page's call reads more than a short one, by which latency is measured.
        seconds = found.latency_seconds if cost is None else max(found.latency_seconds, (cost.seconds or 0.0) / cost.calls)
        together = (used[role].calls.sum() + used[role].neutral[0]) * stretch / at_once * seconds
        least, most = least + together, most + together + depth * seconds
    return Estimate(value=(least + most) / 2.0, low=least, high=most, users=0) if models else None


def _amount(amount: Estimate, sign: str = "", digits: int = 0) -> str:
    value, low, high = (f"{sign}{end or 0.0:,.{digits}f}" for end in (amount.value, amount.low, amount.high))
    return f"{value} [{low}, {high}]"


def _seconds_of(amount: Estimate) -> str:
    """Say a time; a short one is not none."""
    return _amount(amount, digits=0 if (amount.value or 0.0) >= 10.0 else 1)
