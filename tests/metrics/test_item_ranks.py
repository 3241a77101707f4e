"""Which items lead, by exposures and by clicks, and with which intervals."""

import numpy as np
import pytest
import written_runs as logs

from recsim_llm.comparison import summarise
from recsim_llm.metrics import item_ranks
from recsim_llm.statistics import ratio_estimate


def arm_of(run, name="a"):
    return summarise(run).arm(name)


def test_items_are_ranked_by_exposures_and_by_clicks(tmp_path):
    arm = arm_of(logs.write_run(tmp_path, logs.HAND, arms=["a", "b"]))
    # Arm a shows 1 and 2 twice, 3 once and a blank; 1, 2 and 3 are clicked once each.
    assert [(rank.item_id, rank.shown, rank.clicked) for rank in arm.most_shown] == [(1, 2, 1), (2, 2, 1), (3, 1, 1)]
    assert [rank.item_id for rank in arm.most_clicked] == [1, 2, 3]
    assert arm.most_shown[0].exposure_share.value == pytest.approx(2 / 5)
    assert arm.most_shown[0].click_through.value == pytest.approx(1 / 2)


def test_an_item_that_nobody_clicked_leads_no_clicks(tmp_path):
    pages = [("a", user, 0, 0, [(1, None), (2, None)]) for user in range(3)]
    arm = arm_of(logs.write_run(tmp_path, pages, arms=["a"]))
    assert arm.most_clicked == ()
    assert arm.most_shown[0].click_share.value is None


def test_intervals_are_those_of_the_users_sums(tmp_path):
    random = np.random.default_rng(0)
    shown, clicked = random.integers(0, 4, 40), []
    pages = []
    for user, times in enumerate(shown):
        clicks = int(random.integers(0, times + 1))
        clicked.append(clicks)
        pages += [("a", user, 0, page, [(9, 4.0 if page < clicks else None), (page, None)]) for page in range(times)]
        pages += [("a", user, 0, times, [(7, None), (-1, None)])]
    arm = arm_of(logs.write_run(tmp_path, pages, arms=["a"], max_pages=5))
    rank = next(rank for rank in arm.most_shown if rank.item_id == 9)
    above, below = np.array(clicked, float), shown.astype(float)
    assert rank.click_through == ratio_estimate(above, below, bounds=(0.0, 1.0))
    assert rank.exposure_share == ratio_estimate(below, 2 * below + 1, bounds=(0.0, 1.0))


def test_how_the_log_is_cut_into_batches_changes_nothing(tmp_path, monkeypatch):
    run = logs.write_run(tmp_path, logs.HAND, arms=["a", "b"], per_file=3)
    whole = [(arm.most_shown, arm.most_clicked) for arm in summarise(run).arms]
    monkeypatch.setattr("recsim_llm.log.reader.BATCH_ROWS", 2)
    assert [(arm.most_shown, arm.most_clicked) for arm in summarise(run).arms] == whole


def test_no_more_items_than_a_ranking_holds_are_named(tmp_path):
    pages = [("a", 1, 0, page, [(2 * page, 3.0), (2 * page + 1, 3.0)]) for page in range(8)]
    arm = arm_of(logs.write_run(tmp_path, pages, arms=["a"], max_pages=9, items=16))
    assert [rank.item_id for rank in arm.most_shown] == [*range(item_ranks.RANKS)]
