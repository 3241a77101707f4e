"""What the suite is made of: its version, and its scenarios in their order with the subset that each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from recsim_llm.errors import ConfigError, one_of

__all__ = ["SCENARIOS", "VERSION", "Subset", "SuiteScenario", "choose_scenarios"]

VERSION = 1
"""It rises when a result of the suite could be another one than before: numbers of two versions do not go together."""

Subset = Literal["quick", "full"]
"""``quick`` asks no model and takes minutes; ``full`` holds it, and adds what takes longer."""


class SuiteScenario(NamedTuple):
    """A scenario of the suite."""

    name: str
    """Of a shipped scenario with findings that name seeds."""
    page: str
    """Page of the documentation that tells it."""
    notebook: str = "suite"
    """Notebook with a section on it."""
    subset: Subset = "quick"
    """The smallest subset that holds it."""


SCENARIOS = (
    SuiteScenario("popularity-loop", "loops", "filter_bubble"),
    SuiteScenario("filter-bubble", "loops", "filter_bubble"),
    SuiteScenario("harmful-loop", "loops"),
    SuiteScenario("retraining", "scenarios"),
    SuiteScenario("drift", "change"),
    SuiteScenario("seasons", "change"),
    SuiteScenario("cold-start-users", "change", "cold_start"),
    SuiteScenario("cold-start-items", "cold-items", "cold_start"),
    SuiteScenario("provider-exodus", "change"),
    SuiteScenario("promotion-slots", "loops"),
    SuiteScenario("fairness", "fairness", "fairness"),
    SuiteScenario("poisoning", "attacks", "poisoning"),
    SuiteScenario("market-manipulation", "attacks"),
    SuiteScenario("clickbait", "words-on-pages"),
    SuiteScenario("explanations-help-and-mislead", "words-on-pages", "conversational_recommenders"),
    SuiteScenario("word-of-mouth", "social", "social_contagion"),
    SuiteScenario("conversation", "conversation", "conversational_recommenders"),
    SuiteScenario("changing-mind", "conversation"),
    SuiteScenario("sycophantic-policy", "conversation"),
    SuiteScenario("hallucinated-items", "language-policies"),
    SuiteScenario("tools-against-ranker", "tools"),
    SuiteScenario("language-arena", "conversation", subset="full"),
)
"""All of them, in the order of the table."""


def choose_scenarios(subset: str | None = None, names: Sequence[str] = ()) -> tuple[SuiteScenario, ...]:
    """Return scenarios of the suite, in its order.

    Args:
        subset: ``quick`` or ``full``; None: ``quick`` where no names are given, and else whatever they name.
        names: the only ones; none: all of the subset.

    Raises:
        ConfigError: there is no such subset, or a name is none of its scenarios.
    """
    if subset is not None and subset not in get_args(Subset):
        raise ConfigError(f"suite: got the subset {subset!r}, expected {one_of(subset, get_args(Subset))}")
    wanted = subset or ("full" if names else "quick")
    held = {one.name: one for one in SCENARIOS if wanted == "full" or one.subset == wanted}
    for name in names:
        if name not in held:
            raise ConfigError(f"suite: got the scenario {name!r}, expected {one_of(name, held)}")
    return tuple(one for name, one in held.items() if not names or name in names)
