"""What a run will ask of language models, known before anything is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core.protocols import BoundsPrompts
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.budget import Prices
from recsim_llm.language.providers import Roles
from recsim_llm.population.world import World
from recsim_llm.recommenders import AsksModel
from recsim_llm.recommenders.hooks import BoundsCalls
from recsim_llm.recommenders.language.policy import LanguagePolicy, PageAsks
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.stage_checks import make_recommender

__all__ = ["ANSWER_TOKENS", "Confirm", "CostEstimate", "estimate_cost"]

ANSWER_TOKENS: Mapping[Elicitation, int] = {"decision": 0, "logprobs": 6, "samples": 6, "json": 16, "forced": 2}
"""Tokens that an answer to one question takes, written as a line, as a list of percentages or alone, rounded up."""

_ASK_ABOVE_COST = 1.0
_ASK_ABOVE_CALLS = 1_000
_POLICY_TOKENS = 1_200
_REMARK_TOKENS = 250
_MILLION = 1_000_000
_POLICY_QUESTIONS = 20  # of a policy of which nothing is known


class CostEstimate(NamedTuple):
    """The most that a run can ask: every user stays until the page budget ends, and nothing is found in a cache."""

    calls: int
    """Calls of all language models."""
    prompt_tokens: int
    """Tokens read; zero where the models count none."""
    answer_tokens: int
    """Tokens written."""
    cost: float | None
    """US dollars; None where prices are not known."""
    local: bool
    """All models run on this machine: nobody sends a bill."""
    warnings: tuple[str, ...] = ()
    """What must be known of the users before anything is asked, a line each."""

    @property
    def large(self) -> bool:
        """Whether a person should be asked first: above one dollar, or above 1,000 calls of unknown price elsewhere."""
        if self.local:
            return False
        return self.calls > _ASK_ABOVE_CALLS if self.cost is None else self.cost > _ASK_ABOVE_COST

    def text(self) -> str:
        """Say it in one line."""
        count = self.prompt_tokens + self.answer_tokens
        tokens = f"{count / 1e6:,.1f} million tokens" if count >= _MILLION else f"{count:,} tokens"
        price = "on this machine" if self.local else "price unknown" if self.cost is None else f"${self.cost:,.2f}"
        return f"at most {self.calls:,} calls of language models, {tokens}, {price}"


Confirm = Callable[[CostEstimate], None]
"""Told what language models will be asked before anything is; raises to call it off."""


def estimate_cost(scenario: Scenario, world: World, roles: Roles) -> CostEstimate:
    """Return the most that a run can ask of its language models.

    Args:
        scenario: users, visits, pages and arms.
        world: its users tell how long a prompt may get where they are ``BoundsPrompts``.
        roles: the models, with those of the users opened.
    """
    pages = len(world.population) * scenario.visits * scenario.max_pages
    arms = [make_recommender(arm) for arm in scenario.recommenders]
    agents = [arm.most_asked() for arm in arms if isinstance(arm, BoundsCalls)]
    others = [arm for arm in arms if isinstance(arm, AsksModel) and not isinstance(arm, BoundsCalls)]
    asking = [_page_asks(arm, scenario.slate_size) for arm in others]
    prompt_tokens = world.users.prompt_tokens(scenario.slate_size) if isinstance(world.users, BoundsPrompts) else 0
    if scenario.conversation is not None:
        prompt_tokens = _POLICY_TOKENS
    budgets = {
        "user": (len(arms), prompt_tokens, 2 * scenario.slate_size + 2),
        "policy": (sum(asks for asks, _ in asking), _POLICY_TOKENS, max((questions for _, questions in asking), default=0)),
    }
    if scenario.asks_writer:
        budgets["writer"] = (len(arms) * scenario.slate_size, _REMARK_TOKENS, 1)
    calls, read, written, cost, local, priced = 0, 0, 0, 0.0, True, True
    for role, (times, prompt, questions) in budgets.items():
        settings = scenario.models.get(role)
        if settings is None:
            continue
        model = roles.role(role)
        # A server may be asked once for each sample, or for each question.
        asks, each, samples = times * pages, model.most_calls(questions), model.most_calls(1)
        sent = asks * each + (_contrast_calls(scenario, world, asks, model.most_calls(2)) if role == "user" else 0)
        tokens = TokenUsage(prompt=sent * prompt, completion=asks * samples * questions * ANSWER_TOKENS[model.elicitation])
        if role == "policy":
            more, prompted, answered = (pages * sum(most) for most in zip((0, 0, 0), *agents, strict=True))
            sent, tokens = sent + more, _added(tokens, prompted, answered)
        calls, read, written = calls + sent, read + (tokens.prompt or 0), written + (tokens.completion or 0)
        # A gateway on this machine may send a bill: where prices are given, they count.
        local = local and model.local and settings.prices is None
        priced = priced and (model.local or settings.prices is not None)
        if settings.prices is not None:
            cost += Prices(**settings.prices.model_dump()).cost(tokens)
    return CostEstimate(calls, read, written, cost if priced else None, local)


def _added(tokens: TokenUsage, prompt: int, completion: int) -> TokenUsage:
    return TokenUsage(prompt=(tokens.prompt or 0) + prompt, completion=(tokens.completion or 0) + completion)


def _contrast_calls(scenario: Scenario, world: World, asks: int, each: int) -> int:
    """Return how many more calls the contrast of language users takes, at most: an item is asked about once, titles a page.

    Args:
        scenario: its users' parameters say which contrast.
        world: its items.
        asks: pages that are asked about.
        each: calls for the two questions about an item.
    """
    parameters = scenario.users.parameters
    if scenario.users.model == "cascade":
        parameters = parameters.get("language") or {}
    items, shown = len(world.catalog), asks * scenario.slate_size
    if parameters.get("contrast") == "neutral":
        return min(shown, items) * each
    if parameters.get("contrast") == "titles":
        lengths = int(parameters.get("rating_history", LanguageParameters.rating_history)) + 1
        return asks + min(shown, items * lengths)
    return 0


def _page_asks(recommender: AsksModel, slate_size: int) -> PageAsks:
    """Return what a policy asks for a page, at most."""
    return recommender.page_asks(slate_size) if isinstance(recommender, LanguagePolicy) else PageAsks(1, _POLICY_QUESTIONS)
