"""The named parameters of the choice model: meaning, unit and source of every one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from recsim_llm.core.checked_columns import check_choice
from recsim_llm.core.exposures import Layout
from recsim_llm.core.parameters import field_names, is_number, refuse_unknown_names
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.taste_families import TASTE_FAMILIES

__all__ = ["ChoiceParameters"]

_NO_NUMBERS = ("families", "layout", "position_curve", "examination_table", "repeat_half_life", "leave_by_page", "dwell")


@dataclass(frozen=True, kw_only=True)
class ChoiceParameters:
    """How fitted tastes turn into behaviour on a page.

    *Fitted* parameters are measured on the ratings when the model is fitted and replace the default given here. *Assumed*
    ones cannot be measured on ratings alone (which record neither pages nor exposures); their defaults are round numbers
    chosen to land in the ranges that page-level logs report, and every one can be set in a scenario.
    """

    families: tuple[str, ...] = ()
    """Families of ``recsim_llm.population.TASTE_FAMILIES`` that tastes are drawn from, one a user, the same in every run.
    Empty: everybody has the one taste that is fitted from all evidence together. With several, ``compare`` tells whether its
    verdict holds with every family."""
    click_rate: float = 0.02
    """Probability that a user clicks an examined item drawn uniformly from the catalog, on average over the fitted users;
    the fit solves for the intercept that gives it. Assumed: ratings say which items users prefer, not how often they act. At
    this level pages of the invented films get 1 to 7 clicks in a hundred impressions, which ``PLAUSIBLE_CLICK_RATE`` allows;
    the larger the catalog, the rarer the items that a user would click, and the lower it should be."""
    click_bias: float = 0.0
    """Log-odds added to every click, beyond the intercept that ``click_rate`` fixed. Assumed 0."""
    layout: Layout = "list"
    """How the positions of a page lie: the layout of the log that ``examination_table`` or ``position_curve`` was fitted to
    (``recsim-llm fit --exposures LOG --layout grid``), else a list. A scenario that names another one is refused."""
    position_decay: float = 0.93
    """Examination probability falls by this factor a position, raised to the user's position bias. Assumed; geometric as
    in the position-based model (Craswell et al. 2008)."""
    position_curve: tuple[float, ...] | None = None
    """Examination probability by position, at least one value a slot; replaces the geometric curve. None unless measured, by
    ``recsim_llm.agents.fitting.position.learn_position_curve`` on a click log."""
    examination_table: tuple[tuple[float, ...], ...] | None = None
    """Examination probability by position (a row each) and by the last click above it (a column each: none, first position,
    second and so on): users read a page from the top. One row a slot or more, and a column more than rows; replaces curve and
    decay. None unless fitted to a log (``recsim-llm fit --exposures``)."""
    boredom: float = 0.6
    """Log-odds of a click lost for each whole item of the same genre consumed lately. Assumed: that consuming bores and time
    off restores interest is measured on listening logs (Kapoor et al. 2015); ratings cannot tell, see ``DriftFit.genre``."""
    boredom_memory: float = 0.8
    """Share of the boredom that is left one page later, 0 to 1. Assumed."""
    boredom_limit: float = 3.0
    """Most log-odds that boredom with a genre can take, 0 or more. Assumed: what an item of it on every page comes to at the
    defaults."""
    exposure_loss: float = 0.6
    """Log-odds of a click lost by each earlier page that showed the item and on which it was not clicked, 0 or more: small
    chances fall exponentially with the number of exposures, one of the four forms of impression discounting in Lee et al.
    (2014); Ma et al. (2016) report the same fall for news. Assumed, at the lower end of what was measured on EB-NeRD's sample
    of news front pages, 0.86 [0.59, 1.13] (38 readers), since part of that is dislike, and news age faster than films."""
    exposure_limit: float = 3.0
    """Most log-odds that an item can lose by having been shown, 0 or more. Assumed: four exposures or more cost 3.3 [2.2, 4.4]
    on the same pages."""
    repeat: float = 5.0
    """Log-odds of a click lost on an item that the user has consumed before, 0 or more. Assumed, for films, which hardly
    anybody watches again within days; an article read before lost 1.4 [0.9, 2.0] on EB-NeRD's sample, beside its exposures."""
    repeat_half_life: float | None = None
    """Pages of the user's own, over all visits, after which half of what an item lost by being shown or consumed is back, and
    half of the worth of consuming it again; above 0. None: nothing comes back within a run, as with films. Assumed; songs come
    back within hours to days (Anderson et al. 2014), say 50 pages."""
    price: float = 0.0
    """Log-odds of a click lost for each factor of e by which an item costs more than the catalog's median item, gained by what
    costs less; needs a catalog with prices. Assumed 0: what the ratings say of items holds their prices already."""
    novelty: float = 0.1
    """Log-odds a standard deviation of an item's self-information, for a user one standard deviation below the mean
    mainstreamness. Assumed; the fitted click model already holds each user's slope on popularity."""
    drift: float = 0.1
    """Share of the way to the point that it draws to by which one consumed item pulls the taste, 0 to 1. Assumed, from the
    range 0.05 to 0.4 in which ``fit_drift`` sees no difference."""
    drift_reach: float = 0.3
    """Most log-odds that drift can add to an item of typical length, 0 or more: the point that an item draws to lies so far
    from where the user's taste began, in the item's direction. Fitted on MovieLens latest-small, as the most that the data
    allow: the 95% intervals of ``fit_drift`` hold 0 and end, at rates of 0.1 to 0.4, between 0.14 and 0.33."""
    drift_memory: float = 0.995
    """Share of a pulled taste that is left one page later, 0 to 1. Assumed; it only shrinks what ``drift_reach`` bounds."""
    page_cost: float = 0.15
    """Satisfaction lost by reading a page. Assumed."""
    click_gain: float = 0.25
    """Satisfaction gained by consuming an item that is exactly as good as the user expects. Assumed."""
    opinion_gain: float = 0.4
    """Satisfaction a star above (or below) the user's mean rating. Assumed."""
    satisfaction_memory: float = 0.85
    """Share of satisfaction that is left one page later, 0 to below 1. Assumed."""
    satisfaction_limit: float = 3.0
    """Furthest from 0 that what was consumed can move satisfaction, 0 or more. Assumed: ``probability`` maps 3 to 95%."""
    leave_start: float = -3.0
    """Log-odds of leaving at the start of a visit, for a user of median patience; pages move it from there. Assumed."""
    leave_tired: float = -1.2
    """Log-odds of leaving that fatigue tends to as pages go by. Assumed."""
    fatigue_memory: float = 0.9
    """Share of the way to ``leave_tired`` that is still left one page later, 0 to 1. Assumed."""
    patience_slope: float = 0.5
    """Log-odds of leaving lost for each doubling of the user's patience over the median. Slope assumed, patience fitted."""
    leave_relief: float = 0.5
    """Log-odds of leaving lost a unit of satisfaction gained on a page. Assumed."""
    leave_floor: float = -5.0
    """Lowest log-odds of leaving to which what was consumed can bring a user; patience alone may go below. Assumed: 0.7% a
    page, so that nobody is kept for over 150 pages on average."""
    leave_ceiling: float = 3.0
    """Highest log-odds of leaving to which what was consumed can bring a user. Assumed."""
    leave_by_page: tuple[float, ...] | None = None
    """Log-odds of leaving after each page of a visit, for a user of median patience who has consumed nothing; the last one
    holds for all later pages. Replaces ``leave_start`` and ``leave_tired``; ``fatigue_memory`` is then the share of the relief
    that is left one page later. None unless fitted to a log (``recsim-llm fit --exposures``)."""
    dwell: tuple[tuple[float, float, float], ...] | None = None
    """Seconds with a clicked item, a mixture of log-normal distributions: share, mean and standard deviation of the natural
    logarithm of each. None: the log says nothing of seconds; else fitted to a log (``recsim-llm fit --exposures``)."""
    watch_base: float = 1.0
    """Log-odds of the share watched of an item rated at the user's mean. Assumed."""
    watch_slope: float = 0.8
    """Log-odds of the share watched, a star above the user's mean. Assumed."""
    return_base: float = 0.5
    """Log-odds of coming back for another visit, at satisfaction 0. Assumed."""
    return_slope: float = 1.0
    """Log-odds of coming back, a unit of satisfaction at the end of the visit. Assumed."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name not in _NO_NUMBERS:
                _check_number(field.name, getattr(self, field.name))
        if not 0 < self.click_rate < 1:
            raise ConfigError(f"choice parameter 'click_rate': got {self.click_rate}, expected a number between 0 and 1")
        for name in ("boredom_memory", "drift", "drift_memory", "satisfaction_memory", "fatigue_memory", "position_decay"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"choice parameter {name!r}: got {value}, expected a number from 0 to 1")
        if self.satisfaction_memory == 1:
            raise ConfigError("choice parameter 'satisfaction_memory': got 1, expected a number from 0 to below 1")
        for name in ("boredom_limit", "drift_reach", "exposure_loss", "exposure_limit", "repeat", "satisfaction_limit"):
            value = getattr(self, name)
            if value < 0:
                raise ConfigError(f"choice parameter {name!r}: got {value}, expected a number of 0 or more")
        _check_families(self.families)
        check_choice("choice parameter 'layout'", self.layout, get_args(Layout))
        _check_half_life(self.repeat_half_life)
        _check_examination(self.position_curve, self.examination_table)
        _check_leaving(self.leave_by_page)
        _check_dwell(self.dwell)

    def as_settings(self) -> dict[str, Any]:
        """Return the parameters by name, without a price that nobody weighs, of which files from before prices do not tell."""
        return {name: value for name, value in asdict(self).items() if name != "price" or value}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ChoiceParameters:
        """Build parameters from a mapping such as a scenario's ``users.parameters``.

        Raises:
            ConfigError: a name is not a parameter, or a value is not a number that the parameter can take.
        """
        refuse_unknown_names("choice parameter", settings, sorted(field_names(cls)))
        return cls(**{name: _as_tuples(value) for name, value in settings.items()})


def _check_families(families: object) -> None:
    if not isinstance(families, tuple) or not all(isinstance(name, str) for name in families):
        raise ConfigError(f"choice parameter 'families': got {families!r}, expected a list of {', '.join(TASTE_FAMILIES)}")
    for name in families:
        if name not in TASTE_FAMILIES:
            raise ConfigError(f"choice parameter 'families': got {name!r}, expected {one_of(name, TASTE_FAMILIES)}")
    if len(set(families)) < len(families):
        raise ConfigError(f"choice parameter 'families': got {', '.join(families)}, expected each once")


def _check_number(name: str, value: object) -> None:
    if not is_number(value):
        raise ConfigError(f"choice parameter {name!r}: got {value!r}, expected a finite number")


def _check_half_life(value: object) -> None:
    if value is None:
        return
    _check_number("repeat_half_life", value)
    if not isinstance(value, int | float) or value <= 0:
        raise ConfigError(f"choice parameter 'repeat_half_life': got {value}, expected a number above 0, or none")


def _check_curve(name: str, curve: object) -> None:
    if not isinstance(curve, tuple) or not curve:
        raise ConfigError(f"choice parameter {name!r}: got {curve!r}, expected one probability a position")
    for value in curve:
        _check_number(name, value)
        if not 0 <= value <= 1:
            raise ConfigError(f"choice parameter {name!r}: got {value}, expected probabilities from 0 to 1")


def _check_examination(curve: object, table: object) -> None:
    if curve is not None:
        _check_curve("position_curve", curve)
    if table is not None:
        _check_table(table)
    if curve is not None and table is not None:
        raise ConfigError(
            "choice parameter 'examination_table': got position_curve beside it, expected one of the two; leave one out"
        )


def _check_table(table: object) -> None:
    if not isinstance(table, tuple) or not table:
        raise ConfigError(f"choice parameter 'examination_table': got {table!r}, expected a row of probabilities a position")
    for row in table:
        _check_curve("examination_table", row)
        if len(row) != len(table) + 1:
            raise ConfigError(
                f"choice parameter 'examination_table': got a row of {len(row)} for {len(table)} positions, expected "
                f"{len(table) + 1}: no click above, then one column for each position of the last click"
            )


def _check_leaving(by_page: object) -> None:
    if by_page is None:
        return
    if not isinstance(by_page, tuple) or not by_page:
        raise ConfigError(f"choice parameter 'leave_by_page': got {by_page!r}, expected log-odds for one page or more")
    for value in by_page:
        _check_number("leave_by_page", value)


def _check_dwell(parts: object) -> None:
    if parts is None:
        return
    whole = isinstance(parts, tuple) and parts and all(isinstance(part, tuple) and len(part) == 3 for part in parts)
    if not whole or not isinstance(parts, tuple):
        raise ConfigError(f"choice parameter 'dwell': got {parts!r}, expected share, mean and deviation of each distribution")
    for value in (value for part in parts for value in part):
        _check_number("dwell", value)
    if min(part[0] for part in parts) <= 0 or abs(sum(part[0] for part in parts) - 1) > 1e-6:
        raise ConfigError(
            f"choice parameter 'dwell': got shares {[part[0] for part in parts]}, expected some above 0 that sum to 1"
        )
    if min(part[2] for part in parts) <= 0:
        raise ConfigError(f"choice parameter 'dwell': got deviations {[part[2] for part in parts]}, expected numbers above 0")


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(entry) for entry in value) if isinstance(value, list) else value
