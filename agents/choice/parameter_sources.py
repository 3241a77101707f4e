"""Where the number behind every parameter of choice users comes from: a log, the scenario, or nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters

__all__ = ["parameter_sources"]


def parameter_sources(model: ChoiceModel, parameters: ChoiceParameters) -> dict[str, Mapping[str, Any]]:
    """Return what is known of each parameter, by name; plain values for JSON.

    ``source`` is ``fitted``, ``set`` (in the scenario), or ``assumed``. What was fitted has ``low`` and ``high``, the ends of
    its 95% interval (None where the data carry none), ``fitted_on`` with the log's ``name``, ``fingerprint`` and ``rows``, and
    a ``note`` on what of it is identified. What a log was asked for and did not tell says so in ``note``.

    Args:
        model: with what was told.
        parameters: in force, which may have been set since.
    """
    own, known = asdict(model.parameters), model.sources
    table: dict[str, Mapping[str, Any]] = {}
    for name, value in parameters.as_settings().items():
        told = dict(known.get(name, {}))
        if value != own[name]:
            told = {"source": "set"}
        table[name] = {"value": value, "source": "fitted" if "fitted_on" in told else "assumed", **told}
    # As it comes back from a file, so that a manifest can be compared with the one before.
    plain: dict[str, Mapping[str, Any]] = json.loads(json.dumps(table))
    return plain
