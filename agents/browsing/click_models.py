"""Models of clicks on a page, fitted to exposure logs: one call for all."""

from __future__ import annotations

from typing import cast, get_args

from recsim_llm.agents.browsing.browsing_model import BrowsingModel, ClickModelName
from recsim_llm.agents.browsing.chain_models import ChainModel, fit_chain_model
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.clicked_pages import ClickedPages
from recsim_llm.agents.browsing.examination_models import ExaminationModel, fit_examination_model
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import check_choice
from recsim_llm.errors import DataError

__all__ = ["CLICK_MODELS", "ClickModelSettings", "fit_click_model"]

CLICK_MODELS: tuple[ClickModelName, ...] = get_args(ClickModelName)


def fit_click_model(
    name: ClickModelName,
    pages: ClickedPages,
    settings: ClickModelSettings | None = None,
    *,
    weight: DoubleArray | None = None,
    start: BrowsingModel | None = None,
) -> BrowsingModel:
    """Fit a click model by expectation maximisation.

    Args:
        name: one of ``CLICK_MODELS``.
        pages: the pages, from ``read_clicked_pages`` for a log.
        settings: of the fit; None takes the defaults.
        weight: float64 [n]: how often each page counts, 0 or more; None counts each once.
        start: a fit of the same model to begin with.

    Raises:
        ConfigError: there is no such model.
        DataError: nothing was clicked.
    """
    check_choice("click model", name, CLICK_MODELS)
    counted = pages.clicked if weight is None else pages.clicked & (weight > 0.0)[:, None]
    if not counted.any():
        raise DataError("click model: got pages without a click, expected some; use a longer log")
    settings = settings or ClickModelSettings()
    if name == "position-based" or name == "user-browsing":
        return fit_examination_model(name, pages, settings, weight=weight, start=cast(ExaminationModel | None, start))
    return fit_chain_model(name, pages, settings, weight=weight, start=cast(ChainModel | None, start))
