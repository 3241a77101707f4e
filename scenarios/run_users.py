"""Who was in a run, found again from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.worlds import user_source
from recsim_llm.comparison import PrePeriod
from recsim_llm.dynamics.user_attributes import with_attributes
from recsim_llm.population.choosing import COVARIATES, People, choose_users
from recsim_llm.scenarios.building import load_dataset
from recsim_llm.scenarios.schema import Scenario

__all__ = ["known_before", "rebuild_people"]


def known_before(manifest: Mapping[str, Any], user_id: npt.NDArray[np.int64], groups: str) -> PrePeriod | None:
    """Return what was known of the users of a finished run before it, or None where they cannot be rebuilt.

    Args:
        manifest: of the run.
        user_id: int64 [u]: users of the log, ascending.
        groups: trait or demographic field that groups them.
    """
    people = rebuild_people(manifest, user_id)
    if people is None:
        return None
    before, expected = people.before()
    return PrePeriod(
        groups=people.groups(groups), covariates=COVARIATES, before=before, expected=expected, everyone=people.everyone
    )


def rebuild_people(manifest: Mapping[str, Any], user_id: npt.NDArray[np.int64]) -> People | None:
    """Return the users of a finished run, or None where they cannot be rebuilt from its manifest.

    Users of other models than the shipped choice, cascade and language ones cannot, nor can those of an environment's log. What
    is rebuilt is held against the manifest's fingerprint.

    Args:
        manifest: of the run.
        user_id: int64 [u]: users of the log, ascending.
    """
    if not manifest.get("settings"):
        return None
    scenario = Scenario.model_validate(manifest["settings"])
    settings = scenario.users
    if settings.model not in ("choice", "cascade", "language") or scenario.seed is None:
        return None
    source = user_source(load_dataset(scenario), model=settings.model, fitted=settings.fitted)
    chosen = choose_users(settings.count, source, seed=scenario.seed)
    chosen = with_attributes(chosen, settings.attributes, scenario.seed)
    order = np.argsort(chosen.user_id)
    place = np.minimum(np.searchsorted(chosen.user_id, user_id, sorter=order), len(chosen) - 1)
    if not np.array_equal(chosen.user_id[order[place]], user_id):
        return None
    users = chosen.take(order[place])
    known = users.fingerprint == manifest["population"]["fingerprint"]
    return People(users, source.everyone()) if known else None
