"""What a calibration is of, kept with its numbers: which model, asked how, on which data, fitted on which users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.errors import ConfigError

__all__ = ["NOT_CALIBRATED", "calibration_warnings", "refuse_other_model"]

NOT_CALIBRATED = "not calibrated"
"""Words that every warning of users without a fitted calibration holds."""
_HOW = "`recsim-llm calibrate DATA FILE --model …` fits them to real people, --set {key}=FILE takes it"
_FITTED_FOR = {"model": "model", "realisation": "elicitation", "templates": "templates", "contrast": "contrast"}


def refuse_other_model(calibration: Calibration, **asked: str) -> None:
    """See to it that a fitted calibration is of this model, asked in this way; one set by hand is anybody's.

    Args:
        calibration: of the users.
        asked: ``model``, ``realisation``, ``templates`` (their fingerprint) and ``contrast``, as the users are asked.

    Raises:
        ConfigError: it was fitted to another one.
    """
    if calibration.record is None:
        return
    for name, now in asked.items():
        fitted = calibration.record.get(name)
        if fitted != now:
            remedy = "calibrate these users, or ask them as those were asked"
            raise ConfigError(f"calibration: got one of {_FITTED_FOR[name]} {fitted}, expected one of {now}; {remedy}")


def calibration_warnings(
    calibration: Calibration, *, model: str, data: Mapping[str, str], user_id: Sequence[int], key: str
) -> list[str]:
    """Say what a reader must know of how language users were calibrated; a line each, nothing where all is as it should be.

    Args:
        calibration: of the users.
        model: name of their model.
        data: ``name`` and ``fingerprint`` of the run's data.
        user_id: outside ids of the run's users.
        key: of the scenario that takes a calibration.
    """
    record = calibration.record
    if record is None:
        return [_of_nobody(calibration, model, _HOW.format(key=key))]
    lines = []
    if record["fingerprint"] != data["fingerprint"]:
        other = "another version or part of" if record["data"] == data["name"] else "other data than these,"
        lines.append(f"These users' calibration was fitted on {other} {record['data']}: their levels may be others here.")
    elif not set(record["users_fitted"]).isdisjoint(user_id):
        lines.append("Some of these users were used to fit their calibration: it was measured on others.")
    taste = record.get("taste") or {}
    if taste.get("sentence") and not taste.get("tells_apart"):
        sentence = str(taste["sentence"])
        lines.append(f"{sentence[:1].upper()}{sentence[1:]}.")
    return lines


def _of_nobody(calibration: Calibration, model: str, how: str) -> str:
    if model.startswith("scripted/"):
        return (
            f"These users are played by {model}, a stand-in that answers by a rule, and {NOT_CALIBRATED}: their click level "
            f"and stars are the rule's and say nothing about people. {how[0].upper() + how[1:]}."
        )
    if calibration != Calibration():
        return (
            f"These users are {NOT_CALIBRATED} on real people's feedback: their calibration was set by hand. "
            f"{how[0].upper() + how[1:]}."
        )
    return f"These users are {NOT_CALIBRATED}: their click level and stars are the model's own. {how[0].upper() + how[1:]}."
