"""What a log holds of a target, by kind of weights."""

import numpy as np
import pytest

from recsim_llm.offpolicy import LoggedSlates, TargetView, diagnose_overlap

PAGES = 200


def log_and_target(target_slate, *, logged_slate=0.25):
    """Return a log of two slots that says how likely its slates were, and a target that says so too."""
    items = np.tile([[1, 2]], (PAGES, 1))
    slate = np.full(PAGES, logged_slate)
    logged = LoggedSlates.from_columns(
        user_id=np.arange(PAGES),
        item_id=items,
        reward=np.zeros((PAGES, 2)),
        prefix_propensity=np.full((PAGES, 2), 0.5),
        slate_propensity=slate,
    )
    prefix = np.column_stack([np.full(PAGES, 0.5), 2.0 * np.asarray(target_slate)])
    return logged, TargetView.from_columns(pages=PAGES, slots=2, prefix_propensity=prefix, slate_propensity=target_slate)


def standings(target_slate, **more):
    return [one.standing for one in diagnose_overlap(*log_and_target(target_slate, **more))]


def test_two_policies_alike_overlap_fully_and_a_missing_marginal_is_unknown():
    whole, down, slots = diagnose_overlap(*log_and_target(np.full(PAGES, 0.25)))
    assert (whole.standing, down.standing, slots.standing) == ("enough", "enough", "unknown")
    assert whole.effective_pages == pytest.approx(PAGES)
    assert (whole.shown, whole.largest_weight, whole.mean_weight.value) == (1.0, 1.0, 1.0)
    assert slots.shown is None
    assert "propensity" in slots.refused


def test_a_target_that_only_a_few_pages_could_show_is_thin():
    rare = np.where(np.arange(PAGES) < 4, 0.5, 0.0)
    whole, down, _ = diagnose_overlap(*log_and_target(rare))
    assert (whole.standing, down.standing) == ("thin", "thin")
    assert whole.effective_pages == pytest.approx(4)
    assert whole.shown == down.shown == pytest.approx(4 / PAGES)


def test_a_target_that_no_page_could_show_has_no_overlap():
    assert standings(np.zeros(PAGES))[:2] == ["none", "none"]
    whole, *_ = diagnose_overlap(*log_and_target(np.zeros(PAGES)))
    assert whole.shown == 0.0
    assert "zero support" in whole.refused
