"""What the recommenders took: seconds in each method, calls of language models, and of those behind HTTP requests and bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from recsim_llm.log.tables import SERVING, has_table, read_table
from recsim_llm.report import numbers
from recsim_llm.report.page_layout import line_with_code, table
from recsim_llm.report.summary_tables import Cell

__all__ = [
    "ArmCost",
    "asks_model",
    "read_serving",
    "read_servings",
    "serving_line",
    "serving_section",
    "thousand_rows",
    "thousand_table",
]

THOUSAND = ("Calls", "From a cache", "Tokens read", "Tokens written", "Cost", "Seconds of serving")
"""What a thousand requests take: heads of the table."""
THOUSAND_NOTE = (
    "For 1,000 requests, each a page or a turn of a conversation. Tokens and cost are those of the calls: what came from a "
    "cache, or from an equal call of this run, cost nothing here. Seconds are wall-clock time of recommend and observe; the "
    "calls for all users of a batch are waited for together."
)
_ASKED = ("model_calls", "model_hits", "prompt_tokens", "completion_tokens", "dollars")
_MEGABYTE = 1e6


class ArmCost(NamedTuple):
    """What one arm took, all times that it was served together."""

    arm: str
    """The arm."""
    served: int
    """How often serving it was begun."""
    pages: int
    """Pages that its recommender was asked for."""
    fit_seconds: float
    """Seconds in ``fit``."""
    recommend_seconds: float
    """Seconds in ``recommend``."""
    observe_seconds: float
    """Seconds in ``observe``."""
    requests: int | None
    """Requests to a recommender behind HTTP, every attempt counted; None for others, as all that follows but the last."""
    retries: int | None
    """Of them, those that repeat one that failed."""
    bytes_sent: int | None
    """Bytes of the bodies sent."""
    bytes_received: int | None
    """Bytes of the bodies received."""
    failures: dict[str, int]
    """Failed attempts by cause."""
    stopped: tuple[str, ...]
    """Why it was stopped, each time that it was."""
    model_calls: int | None
    """Replies that the language model of policies gave it; None in runs without one, as all that follows."""
    model_hits: int | None
    """Answers of it that came from a cache."""
    prompt_tokens: int | None
    """Tokens of these replies that were read."""
    completion_tokens: int | None
    """Tokens that were written."""
    dollars: float | None
    """US dollars for them; None where prices are not known."""


def read_serving(run: Path) -> tuple[ArmCost, ...]:
    """Return what each arm of a run took, in the order in which they were served; nothing where the folder does not say.

    Raises:
        LogError: the table is damaged.
    """
    if not has_table(run, "serving"):
        return ()
    rows: dict[str, list[dict[str, Any]]] = {}
    # A run that was made before the model's share was told says nothing of it.
    for row in read_table(run, "serving", [name for name in SERVING.names if name not in _ASKED]).to_pylist():
        rows.setdefault(row["arm"], []).append(row)
    return tuple(_summed(arm, of_arm) for arm, of_arm in rows.items())


def read_servings(sources: Sequence[Mapping[str, Any]]) -> tuple[ArmCost, ...]:
    """Return what the arms took that are compared of several runs, under the names that they bear there.

    Args:
        sources: ``sources`` of a comparison of runs, as JSON: ``folder``, and ``recommenders``, names in it by names compared.

    Raises:
        LogError: a table is damaged.
    """
    found = []
    for source in sources:
        costs = {cost.arm: cost for cost in read_serving(Path(source["folder"]))}
        found += [costs[name]._replace(arm=label) for label, name in source["recommenders"].items() if name in costs]
    return tuple(found)


def serving_line(costs: Sequence[ArmCost]) -> str:
    """Say in one line what recommenders behind HTTP took; empty where there are none."""
    said = [
        f"{cost.arm}: {numbers.count(cost.requests)} requests, {numbers.count(cost.retries or 0)} of them retries, "
        f"{numbers.plain(_seconds(cost), 1)} s, {numbers.plain(_megabytes(cost.bytes_sent), 1)} MB sent, "
        f"{numbers.plain(_megabytes(cost.bytes_received), 1)} MB received"
        for cost in costs
        if cost.requests is not None
    ]
    return "; ".join(said)


def serving_section(costs: Sequence[ArmCost]) -> str:
    """Return the section on what recommenders took; empty where the run does not say."""
    if not costs:
        return ""
    heads = ["Pages", "Seconds to fit", "Seconds to recommend", "Milliseconds a page", "Seconds to observe"]
    behind_http = any(cost.requests is not None for cost in costs)
    heads += ["Requests", "Of them retries", "MB sent / received", "Failed attempts"] if behind_http else []
    rows = [(cost.arm, _cells(cost, behind_http)) for cost in costs]
    stops = [f"{cost.arm} was stopped: {text}." for cost in costs for text in dict.fromkeys(cost.stopped)]
    told = "".join(f"<p>{line_with_code(text)}</p>\n" for text in stops)
    note = (
        "Wall-clock time of this process, waits for a server included. An arm that was stopped counts every time it was served."
    )
    thousand = ""
    if asks_model(costs):
        thousand = f'{table(THOUSAND, [("", list(thousand_rows(costs)))])}\n<p class="aside">{escape(THOUSAND_NOTE)}</p>\n'
    return f'<h2>Serving</h2>\n{table(heads, [("", rows)])}\n{told}<p class="aside">{note}</p>\n{thousand}'.rstrip()


def asks_model(costs: Sequence[ArmCost]) -> bool:
    """Tell whether any arm asked the language model of policies."""
    return any(cost.model_calls or cost.model_hits for cost in costs)


def thousand_rows(costs: Sequence[ArmCost]) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a row an arm: what a thousand requests, pages or turns, took, in the columns of ``THOUSAND``."""
    for cost in costs:
        if not cost.pages:
            continue
        times = 1000 / cost.pages
        asked = (cost.model_calls, cost.model_hits, cost.prompt_tokens, cost.completion_tokens)
        cells = [Cell(numbers.NONE if value is None else numbers.count(round(value * times))) for value in asked]
        price = numbers.NONE if cost.dollars is None else f"${cost.dollars * times:,.2f}"
        seconds = (cost.recommend_seconds + cost.observe_seconds) * times
        yield cost.arm, [*cells, Cell(price), Cell(numbers.plain(seconds, 2))]


def thousand_table(costs: Sequence[ArmCost]) -> Table | None:
    """Lay out what a thousand requests took, for a terminal; None where no language model of policies was asked."""
    if not asks_model(costs):
        return None
    laid = Table(title=Text("1,000 requests"), caption=Text(THOUSAND_NOTE), box=SIMPLE_HEAD, padding=0)
    laid.title_justify = laid.caption_justify = "left"
    for head in ("", *THOUSAND):
        laid.add_column(head, justify="right" if head else "left")
    for arm, cells in thousand_rows(costs):
        laid.add_row(Text(arm), *(Text(cell.value) for cell in cells))
    return laid


def _cells(cost: ArmCost, behind_http: bool) -> list[Cell]:
    a_page = 1000 * cost.recommend_seconds / cost.pages if cost.pages else None
    seconds = (cost.fit_seconds, cost.recommend_seconds)
    cells = [Cell(numbers.count(cost.pages)), *(Cell(numbers.plain(value, 2)) for value in seconds)]
    cells += [Cell(numbers.plain(a_page, 3)), Cell(numbers.plain(cost.observe_seconds, 2))]
    if not behind_http:
        return cells
    if cost.requests is None:
        return [*cells, *[Cell(numbers.NONE)] * 4]
    moved = " / ".join(numbers.plain(_megabytes(value), 1) for value in (cost.bytes_sent, cost.bytes_received))
    causes = ", ".join(f"{numbers.count(count)} {cause}" for cause, count in sorted(cost.failures.items()))
    return [
        *cells,
        Cell(numbers.count(cost.requests)),
        Cell(numbers.count(cost.retries or 0)),
        Cell(moved),
        Cell(causes or "0"),
    ]


def _summed(arm: str, rows: Sequence[dict[str, Any]]) -> ArmCost:
    failures = Counter[str]()
    for row in rows:
        failures.update(dict(row["failures"] or ()))

    def count(name: str) -> Any:
        known = [row[name] for row in rows if row.get(name) is not None]
        return sum(known) if known else None

    return ArmCost(
        arm=arm,
        served=len(rows),
        pages=sum(row["pages"] for row in rows),
        fit_seconds=sum(row["fit_seconds"] for row in rows),
        recommend_seconds=sum(row["recommend_seconds"] for row in rows),
        observe_seconds=sum(row["observe_seconds"] for row in rows),
        requests=count("requests"),
        retries=count("retries"),
        bytes_sent=count("bytes_sent"),
        bytes_received=count("bytes_received"),
        failures=dict(failures),
        stopped=tuple(row["stopped"] for row in rows if row["stopped"]),
        **{name: count(name) for name in _ASKED},
    )


def _seconds(cost: ArmCost) -> float:
    return cost.fit_seconds + cost.recommend_seconds + cost.observe_seconds


def _megabytes(count: int | None) -> float | None:
    return None if count is None else count / _MEGABYTE
