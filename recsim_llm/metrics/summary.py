"""What an arm of a run amounts to, as values."""

from __future__ import annotations

from dataclasses import dataclass

from recsim_llm.statistics import Estimate

__all__ = ["ArmSummary", "Deciders", "ItemRank"]


@dataclass(frozen=True, kw_only=True)
class Deciders:
    """Who decided an arm's pages, where there is more than one way."""

    pages: int
    """Pages of which the log says who decided them."""
    language_pages: int
    """Of them, pages that a language model decided."""
    audited_pages: int
    """Of them, pages that the choice model decided while the language model was asked too."""
    disagreement: Estimate
    """Mean over compared pages: mean absolute difference of the two models' click probabilities on the page."""
    memories_dropped: int
    """Memories that prompts had no room for."""


@dataclass(frozen=True, kw_only=True)
class ItemRank:
    """An item that an arm showed or users clicked most."""

    item_id: int
    """Outside id."""
    shown: int
    """Exposures."""
    clicked: int
    """Clicks."""
    exposure_share: Estimate
    """Share of all exposures of the arm, by user."""
    click_share: Estimate
    """Share of all clicks of the arm, by user; undefined where nothing was clicked."""
    click_through: Estimate
    """Clicks per exposure of the item, over the users to whom it was shown."""


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One recommender's results."""

    arm: str
    """Name of the recommender."""
    finished: bool
    """All its users and pages are in the log; False where a run was stopped and waits to be resumed."""
    users: int
    """Users it served."""
    visits: int
    """Finished visits."""
    pages: int
    """Pages shown."""
    impressions: int
    """Items shown."""
    clicks: int
    """Clicks drawn."""
    invalid_slots: int
    """Slots whose item was unknown, retired or repeated, and was blanked."""
    metrics: dict[str, Estimate]
    """The results of every run, by ``Definition.key``."""
    item_coverage: float
    """Share of the catalog that was shown at least once."""
    exposure_gini: float | None
    """Gini coefficient of exposures over the catalog: 0 all items alike, near 1 one item takes all; None: nothing shown."""
    capped_visits: int
    """Visits that ended because the page budget was used up, not because the user left."""
    clicks_by_position: tuple[Estimate, ...]
    """Clicks per item shown, by position, first position first."""
    visits_reaching_page: tuple[float, ...]
    """Share of finished visits with at least 1, 2, ... pages."""
    ratings: dict[str, int]
    """Number of ratings by stars given, ascending."""
    satisfaction_by_page: tuple[Estimate, ...]
    """Mean satisfaction after the 1st, 2nd, ... page, over the users who were still there."""
    reward_by_page: tuple[Estimate, ...]
    """Mean reward of the 1st, 2nd, ... page of a user's life, over all visits; users who are gone count as 0."""
    exposure_lorenz: tuple[float, ...]
    """Share of exposures of the least shown 0%, 1%, ... 100% of the catalog; empty: nothing shown."""
    most_shown: tuple[ItemRank, ...]
    """Items with the most exposures, most first."""
    most_clicked: tuple[ItemRank, ...]
    """Items with the most clicks, most first; none without a click."""
    deciders: Deciders | None
    """Who decided the pages; None where there is one way only."""
