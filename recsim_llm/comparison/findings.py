"""Whether a run shows what its scenario expects: series, contrasts and findings, read from its folder alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from recsim_llm.comparison.contrast_settings import ContrastSettings, FindingSettings, MeasureSettings
from recsim_llm.log.reader import RunReader, open_run
from recsim_llm.metrics.item_tables import has_tables, read_tables
from recsim_llm.metrics.reading_series import read_series
from recsim_llm.metrics.series import Cell, Series
from recsim_llm.statistics import Effect, Estimate

__all__ = ["Answer", "Finding", "Measured", "MeasuredContrast", "MeasuredSeries", "judge_effect", "measure_findings"]

Answer = Literal["holds", "does not hold", "not decided"]
"""What a run says of a finding."""
_ALIKE = "the same for every user"
_COUNTED = "counted for the run as a whole"
_LEAST_TIMES = 2  # through which a line can be laid


@dataclass(frozen=True, kw_only=True)
class MeasuredSeries:
    """A series of a run."""

    name: str
    """As the scenario calls it."""
    metric: str
    """What is measured."""
    label: str
    """In words."""
    unit: str
    """Unit, or ``share``."""
    by: str
    """What time is: ``visit``, ``page`` or ``day``."""
    arms: dict[str, tuple[Estimate, ...]]
    """By recommender, the number at each time, from 0."""


@dataclass(frozen=True, kw_only=True)
class MeasuredContrast:
    """A contrast of a run."""

    name: str
    """As the scenario calls it; of one that a finding brings along, the finding's."""
    said: str
    """What is contrasted, in words."""
    unit: str
    """Unit, or ``share``; empty for a ratio."""
    estimate: Estimate
    """The number, with its 95% interval over users."""
    note: str
    """Why there is no number or no interval; empty where there is one."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding, judged by a run."""

    name: str
    """As the scenario calls it."""
    claim: str
    """What is expected, in words."""
    contrast: MeasuredContrast
    """The number that it is about."""
    direction: str
    """On which side of ``than`` it is expected."""
    than: float
    """What it is held against."""
    tolerance: float
    """Least distance that matters; for ``equal`` how far apart still counts as equal."""
    answer: Answer
    """What this run says."""
    seeds: tuple[int, ...]
    """Seeds that may judge it."""
    may_judge: bool
    """Whether the run's seed is one of them."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What ``measure_findings`` returns; ``metrics.json`` holds it as ``measured``."""

    seed: int
    """Seed of the run."""
    series: tuple[MeasuredSeries, ...]
    """In the order of their names."""
    contrasts: tuple[MeasuredContrast, ...]
    """Those that the scenario names, likewise."""
    findings: tuple[Finding, ...]
    """What was expected, in the order of the scenario, and what came of it."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; keys are stable."""
        return asdict(self)


def measure_findings(run: Path) -> Measured | None:
    """Measure what a run's scenario says, and judge what it expects.

    Args:
        run: the run folder, finished or not.

    Returns:
        What was found; None where the scenario measures nothing, or the folder lacks the tables for it, as that of a comparison
        that grew block by block does.

    Raises:
        LogError: the folder is no run, or its log, tables and manifest do not fit each other.
    """
    log = open_run(run)
    settings = log.manifest.get("settings") or {}
    if not settings.get("measure") or not has_tables(run):
        return None
    measure = MeasureSettings.read(settings["measure"], f"{run}: measure")
    expect = [FindingSettings.read(one, f"{run}: expect") for one in settings.get("expect", ())]
    taken = _Taken(log, read_series(log, read_tables(run), measure.series))
    contrasts = {name: taken.contrast(name, contrast) for name, contrast in measure.contrasts.items()}
    findings = []
    for finding in expect:
        inline = isinstance(finding.contrast, ContrastSettings)
        contrast = finding.contrast if isinstance(finding.contrast, ContrastSettings) else measure.contrasts[finding.contrast]
        number = taken.contrast(finding.name, contrast) if inline else contrasts[str(finding.contrast)]
        findings.append(_judge(finding, contrast, number, seed=int(log.manifest["seed"])))
    return Measured(
        seed=int(log.manifest["seed"]),
        series=tuple(taken.series()),
        contrasts=tuple(contrasts.values()),
        findings=tuple(findings),
    )


def judge_effect(effect: Estimate, *, direction: str, than: float = 0.0, tolerance: float = 0.0, exact: bool = False) -> Answer:
    """Say whether a number lies where it is expected, never more than its interval carries.

    ``above``: it does not hold where the whole interval lies below ``than + tolerance``, so that an effect too small to matter
    speaks against it; else it holds where the interval lies above ``than``. ``below`` is the mirror image. ``equal``: it holds
    where the interval lies within ``tolerance`` of ``than``, and does not where it lies outside. All else is not decided.

    Args:
        effect: the number with its interval.
        direction: ``above``, ``below`` or ``equal``.
        than: what it is held against.
        tolerance: 0 or more.
        exact: whether the value itself is its interval, as a difference of 0 for every single user is, and what is counted
            for a run as a whole.
    """
    low, high = (effect.value, effect.value) if exact else (effect.low, effect.high)
    if effect.value is None or low is None or high is None:
        return "not decided"
    low, high = low - than, high - than
    if direction == "equal":
        within = -tolerance <= low and high <= tolerance
        return "holds" if within else "does not hold" if low > tolerance or high < -tolerance else "not decided"
    if direction == "below":
        low, high = -high, -low
    if high < tolerance or high <= 0.0:
        return "does not hold"
    return "holds" if low > 0.0 else "not decided"


def _judge(finding: FindingSettings, contrast: ContrastSettings, number: MeasuredContrast, *, seed: int) -> Finding:
    than = contrast.neutral if finding.than is None else finding.than
    answer = judge_effect(
        number.estimate,
        direction=finding.direction,
        than=than,
        tolerance=finding.tolerance,
        exact=number.note in (_ALIKE, _COUNTED),
    )
    return Finding(
        name=finding.name,
        claim=finding.claim,
        contrast=number,
        direction=finding.direction,
        than=than,
        tolerance=finding.tolerance,
        answer=answer,
        seeds=tuple(finding.seeds),
        may_judge=seed in finding.seeds,
    )


class _Taken:
    """Takes numbers of series."""

    def __init__(self, log: RunReader, series: Mapping[str, Series]) -> None:
        self._arms, self._finished, self._series = log.arms, log.finished_arms, series

    def series(self) -> Iterator[MeasuredSeries]:
        for name, one in self._series.items():
            arms = {
                arm: tuple(one.level(number, time, time).estimate for time in range(one.times))
                for number, arm in enumerate(self._arms)
                if arm in self._finished
            }
            yield MeasuredSeries(
                name=name,
                metric=one.settings.metric,
                label=one.settings.label,
                unit=one.settings.unit,
                by=one.by,
                arms=arms,
            )

    def contrast(self, name: str, settings: ContrastSettings) -> MeasuredContrast:
        series = self._series[settings.series]
        effect, note = self._effect(settings, series)
        unit = "" if settings.kind == "ratio" else series.settings.unit
        said = self._said(settings, series)
        return MeasuredContrast(name=name, said=said, unit=unit, estimate=effect.estimate, note=note)

    def _effect(self, settings: ContrastSettings, series: Series) -> tuple[Effect, str]:
        arm = settings.arm or self._arms[0]
        wanted = [name for name in (arm, settings.against) if name is not None]
        nothing = Effect(value=None, users=0, method="none")
        for name in wanted:
            if name not in self._finished:
                return nothing, f"{name} is no recommender of this run" if name not in self._arms else f"{name} is not finished"
        numbers = [self._arms.index(name) for name in wanted]
        cells = self._slopes(settings, series, numbers) if settings.kind == "slope" else self._sides(settings, series, numbers)
        if not cells:
            return nothing, "fewer than two points in time to lay a line through"
        if settings.less is not None:
            effect = series.gap(cells, self._series[settings.less])
        elif not settings.has_sides:
            effect = series.level(cells[0].arm, cells[0].first, cells[0].last)
        else:
            effect = series.contrast(cells, logarithmic=settings.kind == "ratio")
        if effect.value is None and (late := [cell.first for cell in cells if cell.first >= series.times]):
            return effect, f"no number: the run has no {series.by} {min(late)}"
        return effect, _COUNTED if series.kind.of == "providers" and effect.value is not None else _why(effect, settings)

    def _sides(self, settings: ContrastSettings, series: Series, arms: list[int]) -> list[Cell]:
        windows = [settings.window or [0, series.times - 1], *([settings.before] if settings.before else [])]
        return [
            Cell(arm, first, last, (1.0, -1.0)[place] * (1.0, -1.0)[side])
            for side, arm in enumerate(arms)
            for place, (first, last) in enumerate(windows)
        ]

    def _slopes(self, settings: ContrastSettings, series: Series, arms: list[int]) -> list[Cell]:
        """Return the cells whose weighted sum is the slope; times without a number are left out."""
        first, last = settings.window or [0, series.times - 1]
        cells = []
        for side, arm in enumerate(arms):
            times = [time for time in range(first, min(last + 1, series.times)) if series.defined(arm, time)]
            if len(times) < _LEAST_TIMES:
                return []
            middle = sum(times) / len(times)
            spread = sum((time - middle) ** 2 for time in times)
            cells += [Cell(arm, time, time, (1.0, -1.0)[side] * (time - middle) / spread) for time in times]
        return cells

    def _said(self, settings: ContrastSettings, series: Series) -> str:
        arm = settings.arm or self._arms[0]
        less = "" if settings.less is None else f" less {settings.less}"
        what = f"{settings.series}{less}: {'slope of ' if settings.kind == 'slope' else ''}{arm}"
        sign = "over" if settings.kind == "ratio" else "less"
        window = "" if settings.window is None else f" in {series.by}s {settings.window[0]} to {settings.window[1]}"
        before = "" if settings.before is None else f" {sign} {settings.before[0]} to {settings.before[1]}"
        against = "" if settings.against is None else f", {sign} {settings.against}"
        return what + window + before + against


def _why(effect: Effect, settings: ContrastSettings) -> str:
    """Say why there is no number or no interval."""
    if effect.value is None:
        return "no number: nothing of the kind happened"
    if effect.low is not None:
        return ""
    if effect.method == "none":
        return _COUNTED
    alike = settings.has_sides and effect.users > 1 and effect.value == settings.neutral
    return _ALIKE if alike else "no interval: too few users, or all alike"
