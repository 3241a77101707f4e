"""``manifest.json``: what a run is made from, as plain values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.core.steps import never_begins
from recsim_llm.errors import LogError
from recsim_llm.log.folders import COMPARISON_SETTINGS, MANIFEST

__all__ = ["encode_manifest", "read_arithmetic", "read_manifest", "read_scenario_manifest", "read_warnings", "write_manifest"]

_MOST_CHANGES = 5
_WHOLE = "a whole number of 1 or more"
_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "scenario": (lambda value: isinstance(value, str), "a name"),
    "arms": (
        lambda value: isinstance(value, list) and bool(value) and all(isinstance(arm, str) for arm in value),
        "a list of names",
    ),
    "seed": (lambda value: value is None or _is_whole(value, 0), "a whole number of 0 or more, or null"),
    "slate_size": (lambda value: _is_whole(value, 1), _WHOLE),
    "max_pages": (lambda value: _is_whole(value, 1), _WHOLE),
    "visits": (lambda value: _is_whole(value, 1), _WHOLE),
    "users": (lambda value: _is_whole(value, 0), "a whole number of 0 or more"),
    "catalog": (lambda value: isinstance(value, dict) and _is_whole(value.get("items"), 0), "the number of items"),
    "data": (lambda value: isinstance(value, dict) and isinstance(value.get("fingerprint"), str), "a fingerprint of the data"),
    "population": (lambda value: isinstance(value, dict) and isinstance(value.get("fingerprint"), str), "a fingerprint"),
    "versions": (lambda value: isinstance(value, dict), "versions by name"),
    "settings": (lambda value: isinstance(value, dict), "settings by name"),
    "models": (
        lambda value: isinstance(value, dict) and all(isinstance(model, dict) for model in value.values()),
        "models by role",
    ),
    "user_model": (lambda value: isinstance(value, str), "a name"),
    "users_warnings": (
        lambda value: isinstance(value, list) and all(isinstance(line, str) for line in value),
        "lines of text",
    ),
    "by_hand": (
        lambda value: isinstance(value, list) and all(isinstance(one, dict) and {"when", "said"} <= set(one) for one in value),
        "changes",
    ),
}
_KEYS = ("scenario", "arms", "seed", "slate_size", "max_pages", "users", "catalog")


def read_manifest(run: Path) -> dict[str, Any]:
    """Read and check a run folder's manifest.

    Raises:
        LogError: there is none, or it cannot be used.
    """
    path = run / MANIFEST
    if not path.is_file() and (run / COMPARISON_SETTINGS).is_file():
        raise LogError(f"run folder: got {run}, a comparison that has just begun, expected a run; `recsim-llm resume {run}`")
    try:
        manifest = read_json(path)
    except (OSError, ValueError) as error:
        raise LogError(
            f"run folder: got {run} without a readable {MANIFEST}, expected a run; start it with `recsim-llm run`"
        ) from error
    if isinstance(manifest, dict) and "training" in manifest:
        raise LogError(f"run folder: got {run}, a training, expected a run; its evaluation is one: {run / 'evaluation'}")
    missing = [key for key in _KEYS if not isinstance(manifest, dict) or key not in manifest]
    if missing:
        raise LogError(f"{path}: got no {missing[0]!r}, expected {', '.join(_KEYS)}; run the scenario again")
    for key, (holds, expected) in _SHAPES.items():
        if key in manifest and not holds(manifest[key]):
            got = f"{json.dumps(manifest[key]):.60}"
            raise LogError(f"{path}: got {got} as {key!r}, expected {expected}; restore the file or run the scenario again")
    checked: dict[str, Any] = manifest
    return checked


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def read_scenario_manifest(run: Path) -> dict[str, Any]:
    """Read the manifest of a run that knows the scenario it came from, under ``settings``.

    Raises:
        LogError: the folder is no run, or is the log of an environment, which knows no scenario.
    """
    manifest = read_manifest(run)
    if not manifest.get("settings") or manifest["seed"] is None:
        raise LogError(
            f"run folder: got {run}, the log of an environment, expected that of `recsim-llm run`; "
            "what it came from cannot be made again"
        )
    return manifest


def read_arithmetic(folder: Path) -> dict[str, Any] | None:
    """Return with which arithmetic a run was computed; None for what is no run, and for runs that do not say."""
    if not (folder / MANIFEST).is_file():
        return None
    found = read_manifest(folder).get("arithmetic")
    return found if isinstance(found, dict) else None


def read_warnings(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a manifest says that a reader must know first.

    That is what there is to say of the users, which interventions a run with an overridden clock is too short for, and that it
    was changed by hand.
    """
    changes = [f"{change['when']}: {change['said']}" for change in manifest.get("by_hand") or ()]
    rest = f"; and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
    by_hand = [f"changed by hand: {'; '.join(changes[:_MOST_CHANGES])}{rest}"] if changes else []
    return (*(manifest.get("users_warnings") or ()), *_too_late(manifest.get("settings") or {}), *by_hand)


def _too_late(settings: Mapping[str, Any]) -> list[str]:
    clock, plans = settings.get("clock"), settings.get("interventions") or ()
    if not clock:
        return []
    time = {"days": clock["days"], "step": clock.get("step", "day")}
    late = [f"{plan['name']} (day {plan['at']:g})" for plan in plans if never_begins(plan["at"], **time)]
    return [f"interventions that never begin, as the run is over by then: {', '.join(late)}"] if late else []


def encode_manifest(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a manifest; equal contents give equal bytes."""
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


def write_manifest(run: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest into a folder that is there; a kill leaves the old one or the new one."""
    write_atomically(run / MANIFEST, encode_manifest(content))
