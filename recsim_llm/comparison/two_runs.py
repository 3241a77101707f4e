"""Two runs read as one: whether their recommenders can be paired user by user, where they drifted apart, and their sums joined.

The dice of a user depend on the seed, the user and the place on the page, never on the recommender, so runs of the same users
with the same seed are paired as well as the arms of one run are, as long as everything else is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.comparison.outcomes import CEILINGS
from recsim_llm.comparison.results import Source
from recsim_llm.errors import ConfigError
from recsim_llm.metrics.tallies import Tally

__all__ = ["FinishedRun", "JoinedRuns", "join_runs"]

_SAME = {
    "seed": ("seed",),
    "slate size": ("slate_size",),
    "pages a visit": ("max_pages",),
    "visits a user": ("visits",),
    "reward": ("settings", "reward"),
    "discount": ("settings", "discount"),
    "data": ("data", "fingerprint"),
    "number of items": ("catalog", "items"),
    "user model": ("user_model",),
    "language model of the users": ("settings", "models", "user", "name"),
}
"""What must be the same, and where a manifest says it: else a user's two visits are not two answers to one question."""
_DRIFT = {
    "population": ("population", "fingerprint"),
    "users": ("settings", "users"),
    "fit": ("user_model_provenance",),
    "language models": ("models",),
    "share of ratings to train on": ("settings", "train_share"),
    "barrier": ("settings", "barrier"),
    "invalid slots": ("settings", "invalid"),
    "versions": ("versions",),
}
"""What may make the same users behave otherwise, or teach the recommenders otherwise."""
WARNING = "Warning: "
"""What a note begins with that says where two runs drifted apart."""
_LONGEST = 60
_SHOWN = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedRun:
    """A run to be joined with another one."""

    folder: Path
    """Its folder."""
    manifest: Mapping[str, Any]
    """Its manifest."""
    tally: Tally
    """Its sums."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinedRuns:
    """Two runs as one."""

    tally: Tally
    """Sums of the recommenders of both, those of the first run first."""
    sources: tuple[Source, Source]
    """Where each recommender comes from."""
    warnings: tuple[str, ...]
    """Where the runs drifted apart, as sentences."""


def join_runs(first: FinishedRun, second: FinishedRun) -> JoinedRuns:
    """Join the recommenders of two runs that served the same users under the same conditions.

    A recommender that is in both and got the same from every user stands once. One that is in both and did not is there twice,
    named after its runs, with a warning; of the oracle the first run's stays.

    Raises:
        ConfigError: they differ in what pairing needs, or are the same run.
    """
    _check_same(first, second)
    warnings = list(_drift(first.manifest, second.manifest))
    labels = [{name: name for name in run.tally.arms} for run in (first, second)]
    for name in [name for name in second.tally.arms if name in labels[0]]:
        apart = _apart(first.tally, second.tally, name)
        if name in CEILINGS or not apart:
            del labels[1][name]
        else:
            for run, names in zip((first, second), labels, strict=True):
                names[name] = f"{name} ({_called(run, first, second)})"
        if apart:
            warnings.append(_told_apart(name, first, second))
    tallies = [_picked(run.tally, names) for run, names in zip((first, second), labels, strict=True)]
    sources = [_source(run, names) for run, names in zip((first, second), labels, strict=True)]
    return JoinedRuns(tally=_joined(*tallies), sources=(sources[0], sources[1]), warnings=tuple(warnings))


def _check_same(first: FinishedRun, second: FinishedRun) -> None:
    runs = f"{first.folder} and {second.folder}"
    if first.folder.resolve() == second.folder.resolve():
        raise ConfigError(f"compare: got {first.folder} twice, expected two runs; give one folder to judge it again")
    for run in (first, second):
        if "sequential" in run.manifest:
            raise ConfigError(
                f"compare: got {run.folder}, whose users came until it was decided, expected runs whose number of users was "
                "fixed beforehand; run it without --until-decided"
            )
        if run.manifest["seed"] is None:
            raise ConfigError(f"compare: got {run.folder}, whose log has no seed, expected a run with one; run it again")
    found = [
        f"{name} ({_short(one)} and {_short(other)})" for name, one, other in _unlike(first.manifest, second.manifest, _SAME)
    ]
    if not np.array_equal(first.tally.user_id, second.tally.user_id):
        both = len(np.intersect1d(first.tally.user_id, second.tally.user_id))
        found.insert(0, f"users ({len(first.tally.user_id):,} and {len(second.tally.user_id):,}, {both:,} of them in both)")
    if found:
        raise ConfigError(
            f"compare: got {runs}, which differ in {', '.join(found)}, expected the same users, data, pages, reward and seed, "
            "without which they cannot be paired; run one again with the other's settings"
        )


def _drift(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    found = list(_unlike(first, second, _DRIFT))
    warnings = []
    if any(name == "population" for name, _, _ in found):
        warnings.append(
            f"{WARNING}the population drifted: the same user ids stand for other tastes or traits in the two runs, so that a "
            "difference between recommenders of different runs is partly one between their users."
        )
    others = [
        f"{name}{key} ({_short(one)} and {_short(other)})"
        for name, before, after in found
        if name != "population"
        for key, one, other in _leaves(before, after)
        # The users are the same whether or not somebody said how many.
        if (name, key) != ("users", ".count")
    ]
    if others:
        warnings.append(
            f"{WARNING}the runs differ in {', '.join(others[:_SHOWN])}, which may change what users or recommenders do."
        )
    return warnings


def _told_apart(name: str, first: FinishedRun, second: FinishedRun) -> str:
    settings = [_settings(run.manifest, name) for run in (first, second)]
    clicks = [run.tally.sums["clicks"][run.tally.arms.index(name)].mean() for run in (first, second)]
    means = f"{clicks[0]:.3g} and {clicks[1]:.3g} clicks per user"
    kept = "that of the first run is kept" if name in CEILINGS else "both are compared"
    if settings[0] != settings[1]:
        return f"{WARNING}{name} has other settings in the two runs ({means}); {kept}."
    return (
        f"{WARNING}{name} is in both runs with the same settings and did not get the same from every user ({means}): "
        f"something drifted between the runs; {kept}."
    )


def _unlike(
    first: Mapping[str, Any], second: Mapping[str, Any], places: Mapping[str, Sequence[str]]
) -> list[tuple[str, Any, Any]]:
    pairs = [(name, _at(first, place), _at(second, place)) for name, place in places.items()]
    return [(name, one, other) for name, one, other in pairs if one != other]


def _at(content: Any, place: Sequence[str]) -> Any:
    for key in place:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _leaves(one: Any, other: Any, above: str = "") -> list[tuple[str, Any, Any]]:
    """Return where two values differ, as dotted keys, and what stands there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = sorted({*one, *other}, key=str)
        return [leaf for key in keys for leaf in _leaves(one.get(key), other.get(key), f"{above}.{key}")]
    return [] if one == other else [(above, one, other)]


def _settings(manifest: Mapping[str, Any], name: str) -> Any:
    arms = _at(manifest, ("settings", "recommenders"))
    return next((arm for arm in arms or () if isinstance(arm, Mapping) and arm.get("name") == name), None)


def _apart(first: Tally, second: Tally, name: str) -> bool:
    """Tell whether an arm got something else from any user in the second run."""
    one, other = (tally.of(tally.arms.index(name)) for tally in (first, second))
    return any(not np.array_equal(one[total], other[total]) for total in one)


def _called(run: FinishedRun, first: FinishedRun, second: FinishedRun) -> str:
    """Return a short name of a run: its folder's, or its whole path where both folders have one name."""
    return str(run.folder) if first.folder.name == second.folder.name else run.folder.name


def _source(run: FinishedRun, names: Mapping[str, str]) -> Source:
    return Source(
        folder=str(run.folder),
        scenario=str(run.manifest["scenario"]),
        recommenders={label: name for name, label in names.items()},
    )


def _picked(tally: Tally, names: Mapping[str, str]) -> Tally:
    """Return the sums of some arms under other names."""
    places = [tally.arms.index(name) for name in names]
    return Tally(
        arms=tuple(names.values()),
        user_id=tally.user_id,
        sums={name: table[places] for name, table in tally.sums.items()},
        items=tuple(tally.items[place] for place in places),
        limits=tally.limits,
        **{name: getattr(tally, name)[places] for name in _by_arm()},
    )


def _joined(first: Tally, second: Tally) -> Tally:
    return Tally(
        arms=first.arms + second.arms,
        user_id=first.user_id,
        sums={name: np.concatenate([table, second.sums[name]]) for name, table in first.sums.items()},
        items=first.items + second.items,
        limits=first.limits,
        **{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in _by_arm()},
    )


def _by_arm() -> list[str]:
    """Return the fields of a tally that are arrays whose first axis is the arm."""
    return [field.name for field in fields(Tally) if field.name not in ("arms", "user_id", "sums", "items", "limits")]


def _short(value: Any) -> str:
    text = "nothing recorded" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
