"""What a calibration's record says, as rows: how it should be, before, after, on users who had no part in fitting it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from recsim_llm.report import numbers
from recsim_llm.report.summary_tables import Cell
from recsim_llm.statistics import Estimate

__all__ = ["HEADS", "Content", "calibration_basis", "calibration_rows", "find_record", "taste_rows"]

Content = Mapping[str, Any]

HEADS = ("Wanted", "Before", "After")
_SIDES = ("target", "before", "after")
_ROUNDING = 1e-9


class _Measure(NamedTuple):
    key: str
    label: str
    share: bool = False


_MEASURES = (
    _Measure("click_rate", "Clicks on items drawn at random, if examined", share=True),
    _Measure("star_mean", "Stars: mean"),
    _Measure("star_spread", "Stars: standard deviation"),
    _Measure("star_wasserstein", "Stars: distance of the histograms (Wasserstein-1, stars)"),
    _Measure("visit_pages", "Pages of a visit, cut off after 20"),
    _Measure("click_bits", "Bits a click decision"),
    _Measure("star_bits", "Bits a rating"),
)


def calibration_rows(record: Content) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a row a measure: what is wanted, before and after, each with its interval where there is one.

    Args:
        record: of the calibration, with what was measured.
    """
    for measure in _MEASURES:
        sides = record["measured"].get(measure.key)
        if sides is None:
            continue
        found = {side: numbers.read_estimate(sides[side]) for side in _SIDES if side in sides}
        uncertain = [one for one in found.values() if not _exact(one)]
        digits = max(numbers.common_decimals(uncertain, share=measure.share), 2)
        yield (
            measure.label,
            [
                Cell(
                    numbers.plain(found[side].value, digits, share=measure.share),
                    numbers.interval(found[side], digits, share=measure.share),
                )
                if side in found
                else Cell("")
                for side in _SIDES
            ],
        )


def _exact(estimate: Estimate) -> bool:
    """Tell whether there is no interval, or all users have one value, so that no more than rounding is left of it."""
    return estimate.low is None or estimate.high is None or estimate.high - estimate.low < _ROUNDING


def calibration_basis(record: Content) -> str:
    """Say on whom it was fitted and measured, on which data, with which model, and what visits should be like."""
    fitted = numbers.counted(len(record.get("users_fitted", ())), "user")
    apart = numbers.counted(len(record.get("users_apart", ())), "other")
    stars = record["measured"].get("star_mean")
    people = f" Stars as wanted: of {numbers.count(stars['target']['users'])} people kept apart." if stars else ""
    return (
        f"Fitted to {fitted} of {record['data']}, measured on {apart}, who had no part in it; seed "
        f"{record['seed']}; {record['model']}, asked by {record['realisation']} in the words of {record['template_family']}. "
        f"In brackets: 95% intervals, bootstrap over users.{people} Visits as wanted: {record['visits']}."
    )


def taste_rows(taste: Content) -> Iterator[tuple[str, Cell]]:
    """Yield a row a predictor: area under the curve of what a user later liked among items as popular; the users first.

    Args:
        taste: as ``Taste.to_json`` returns it.
    """
    for row in taste["measures"][0]["rows"] if taste["measures"] else ():
        found = numbers.read_estimate(row)
        yield row["name"], Cell(numbers.plain(found.value, 2), numbers.interval(found, 2))


def find_record(manifest: Content) -> Content | None:
    """Return the record of the calibration of a run's users; None where there is none, or nothing was measured."""
    parameters = ((manifest.get("settings") or {}).get("users") or {}).get("parameters") or {}
    inner = parameters.get("language")
    sides = (parameters, inner if isinstance(inner, Mapping) else {})
    found = [side["calibration"] for side in sides if isinstance(side.get("calibration"), Mapping)]
    record = next((calibration.get("record") for calibration in found), None)
    return record if isinstance(record, Mapping) and "measured" in record else None
