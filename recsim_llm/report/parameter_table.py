"""Where the parameters of a run's choice users come from, for the terminal and for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from recsim_llm.report.page_layout import table
from recsim_llm.report.summary_tables import Cell

__all__ = ["parameter_lines", "parameters_section"]

Sources = Mapping[str, Mapping[str, Any]]
_SHOWN = 8


def parameter_lines(parameters: Sources) -> Iterator[str]:
    """Say in lines for a terminal what a log told of parameters, what it did not, and what is assumed.

    Args:
        parameters: by name, as ``parameter_sources`` gives them.
    """
    fitted = _of(parameters, "fitted")
    if fitted:
        log = next(iter(fitted.values()))["fitted_on"]
        yield f"fitted on {log['name']} ({log['rows']:,} impressions, fingerprint {log['fingerprint'][:12]}), 95% intervals"
    for name, told in fitted.items():
        yield f"  {name:<20}{_value(told['value'])}{_interval(told)}"
        yield f"  {'':<20}{told['note']}"
    assumed = _of(parameters, "assumed")
    for name, told in assumed.items():
        if "note" in told:
            yield f"not told: {name} stays {_value(told['value'])}; {told['note']}"
    yield f"assumed: {', '.join(name for name, told in assumed.items() if 'note' not in told)}"


def parameters_section(manifest: Mapping[str, Any]) -> str:
    """Return the section; empty where no parameter was fitted to a log."""
    known = manifest.get("user_model_provenance") or {}
    parameters: Sources = known.get("parameter_sources") or known.get("choice", {}).get("parameter_sources") or {}
    fitted, given, assumed = (_of(parameters, source) for source in ("fitted", "set", "assumed"))
    if not fitted:
        return ""
    log = next(iter(fitted.values()))["fitted_on"]
    rows = [(name, _cells(told)) for name, told in fitted.items()]
    untold = [(name, _cells(told)) for name, told in assumed.items() if "note" in told]
    rest = ", ".join(name for name, told in assumed.items() if "note" not in told)
    groups = [("Told by the log", rows), *([("Not told by it", untold)] if untold else [])]
    said = f" Set for this run: {escape(', '.join(given))}." if given else ""
    return "\n".join(
        [
            "<h2>What the users' behaviour was fitted on</h2>",
            f"<p>Looking, clicking, staying, leaving and returning follow the log {escape(str(log['name']))} "
            f"({log['rows']:,} shown, fingerprint <code>{escape(str(log['fingerprint'])[:12])}</code>), as far as it tells "
            f"them; tastes were fitted to the ratings.{said} Assumed: {escape(rest)}.</p>",
            table(["Value and 95% interval", "What is behind it"], groups),
        ]
    )


def _of(parameters: Sources, source: str) -> Sources:
    return {name: told for name, told in parameters.items() if told["source"] == source}


def _cells(told: Mapping[str, Any]) -> list[Cell]:
    return [Cell(_value(told["value"]), _interval(told).strip()), Cell(str(told["note"]), "")]


def _interval(told: Mapping[str, Any]) -> str:
    low, high = told.get("low"), told.get("high")
    return "" if low is None or high is None else f" [{_value(low)}, {_value(high)}]"


def _value(value: Any) -> str:
    """Return a word, a number or the numbers of a table; of a table of examination those without a click above."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return "none" if value is None else f"{value:.3g}"
    if value and isinstance(value[0], list):
        square = len(value[0]) == len(value) + 1
        return f"{_value([row[0] for row in value])} without a click above" if square else "; ".join(map(_value, value))
    shown = " ".join("–" if one is None else f"{one:.2f}" for one in value[:_SHOWN])
    return shown if len(value) <= _SHOWN else f"{shown} … ({len(value)})"
