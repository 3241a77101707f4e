"""What does not fit together in a scenario whose keys and values are right one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from recsim_llm.comparison import contrast_settings
from recsim_llm.comparison.contrast_settings import ContrastSettings
from recsim_llm.core.plain_values import Place
from recsim_llm.core.steps import never_begins
from recsim_llm.dynamics.interventions import Intervention, Promotion
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.metrics.series_definitions import SERIES, USER_EVENTS

if TYPE_CHECKING:
    from recsim_llm.scenarios.schema import Scenario

__all__ = ["find_faults"]


def find_faults(scenario: Scenario, fixed: Collection[str]) -> Iterator[tuple[Place, str]]:
    """Yield what does not fit together, each with its place and in words: got, expected.

    Args:
        scenario: right key by key.
        fixed: keys that stand as the scenario's author wrote them. Who overrides others, to make a run shorter or to switch
            something off, may leave measures and interventions behind that say nothing then; no fault is found in that.
    """
    arms = [arm.name for arm in scenario.recommenders] if "recommenders" in fixed else None
    clock = scenario.clock is not None
    yield from contrast_settings.find_faults(scenario.measure, scenario.expect, arms=arms, clock=clock)
    if scenario.intents is not None and not scenario.intents:
        yield ("intents",), "got none, expected at least one; leave the key out for visits without an intent"
    yield from _of_interventions(scenario.interventions)
    if {"clock", "interventions"} <= set(fixed) and scenario.clock is not None:
        days, step = scenario.clock.days, scenario.clock.step
        for number, plan in enumerate(scenario.interventions):
            if never_begins(plan.at, days=days, step=step):
                yield ("interventions", number, "at"), f"got day {plan.at:g}, expected 0 to {days - 1}, the last of the run"
    if {"clock", "conversation", "visits", "max_pages"} <= set(fixed):
        yield from _of_windows(scenario)
    yield from _of_events(scenario, told="social" in fixed and "actions" in fixed)
    if "providers" in fixed and scenario.providers is None and scenario.measure is not None:
        for name, series in scenario.measure.series.items():
            if SERIES[series.metric].of == "providers":
                place = ("measure", "series", name, "metric")
                yield place, f"got {series.metric} without providers, expected them beside it; add providers: {{}}"


def _of_interventions(plans: tuple[Intervention, ...]) -> Iterator[tuple[Place, str]]:
    for number, plan in enumerate(plans):
        place: Place = ("interventions", number)
        try:
            plan.check()
        except ConfigError as error:
            yield place, str(error)
        for other in plans[:number]:
            if plan.name == other.name:
                yield (*place, "name"), f"got {plan.name!r} twice, expected different names"
            if _sell_alike(plan, other):
                said = f"got a slot that {other.name!r} is sold at the same time, expected another slot or another time"
                yield (*place, "change", "promote", "slot"), said


def _sell_alike(one: Intervention, other: Intervention) -> bool:
    sold = [plan.change.promote for plan in (one, other)]
    if not all(isinstance(slot, Promotion) for slot in sold) or len({slot.slot for slot in sold if slot}) > 1:
        return False
    ends = [float("inf") if plan.until is None else plan.until for plan in (one, other)]
    return max(one.at, other.at) < min(ends)


def _of_windows(scenario: Scenario) -> Iterator[tuple[Place, str]]:
    if scenario.measure is None:
        return
    days = None if scenario.clock is None else scenario.clock.days
    times = {"visit": scenario.visits, "page": scenario.max_pages, "day": days}
    contrasts: list[tuple[Place, ContrastSettings]] = [
        (("measure", "contrasts", name), contrast) for name, contrast in scenario.measure.contrasts.items()
    ]
    contrasts += [
        (("expect", number, "contrast"), finding.contrast)
        for number, finding in enumerate(scenario.expect)
        if isinstance(finding.contrast, ContrastSettings)
    ]
    for place, contrast in contrasts:
        by = scenario.measure.series[contrast.series].by or ("visit" if days is None else "day")
        for key in ("window", "before"):
            window, last = getattr(contrast, key), (times[by] or 0) - 1
            if window is not None and window[1] > last:
                yield (*place, key), f"got {window}, expected {by}s from 0 to {last}, the last of the run"


def _of_events(scenario: Scenario, *, told: bool) -> Iterator[tuple[Place, str]]:
    """Yield series of events that there are not; with ``told`` of those too that cannot happen, as the scenario stands."""
    if scenario.measure is None:
        return
    allowed = () if scenario.actions is None else [name for name in USER_EVENTS if getattr(scenario.actions, name, None)]
    chats = scenario.social is not None and scenario.social.chats is not None
    of_friends = {"friend_click": ("social: {}", scenario.social is not None), "chat": ("social: {chats: {}}", chats)}
    happen = [*allowed, *(event for event, (_, there) in of_friends.items() if there)]
    for name, series in scenario.measure.series.items():
        place, event = ("measure", "series", name, "event"), series.event
        if event is None:
            continue
        if event not in USER_EVENTS:
            yield place, f"got {event!r}, expected {one_of(event, USER_EVENTS)}"
        elif told and event not in happen:
            missing = of_friends[event][0] if event in of_friends else f"actions: {{{event}: {{}}}}"
            yield place, f"got {event!r}, which never happens here, expected one that does; add {missing}"
