"""Behaviour on the card: planted users are told apart by what they do, and the real ones are found to be real."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_sessions import ITEMS, PlantedUsers, planted_log
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import ConfigError, ContractError, DataError
from recsim_llm.realism.behaviour import session_distances as distances
from recsim_llm.realism.behaviour.behaviour_trials import run_behaviour_trials
from recsim_llm.realism.behaviour.browsers import Browsed, checked_browsing, what_people_did
from recsim_llm.realism.behaviour.plain_browsers import RankRates, SameRate
from recsim_llm.realism.behaviour.session_tables import SessionTables, dwell_grid
from recsim_llm.realism.lines.browsing import behaviour_line
from recsim_llm.realism.lines.star_shape import REAL
from recsim_llm.realism.lines.system_ranking import HALVES

DEPTH, LENGTH, FRECHET = "click depth, Jensen-Shannon distance", "session length, Wasserstein-1", "Fréchet distance of sessions"
INSIDE, PAGES = "ranks inside the real 95% interval", "pages a session by own leaving, Wasserstein-1"


@pytest.fixture(scope="module")
def log():
    return planted_log()


def line_of(log, users, seeds=(1, 2, 3)):
    return behaviour_line(run_behaviour_trials(log, "mine", users, seeds=seeds), seed=1, resamples=100)


@pytest.fixture(scope="module")
def real(log):
    return line_of(log, PlantedUsers())


def value(line, name, row="mine"):
    return line.measure(name).row(row).estimate.value


def test_users_who_are_the_real_ones_are_as_near_as_half_of_them_to_the_other_half(real):
    for name in (DEPTH, LENGTH, FRECHET, PAGES):
        assert value(real, name) <= value(real, name, HALVES)
    assert value(real, INSIDE) >= 0.8
    for name in ("exit hazard after page 1", "exit hazard after page 2", "pages with a click"):
        assert value(real, name) == pytest.approx(value(real, name, REAL), abs=0.04)
    for share in ("25%", "50%", "75%"):
        name = f"dwell time, {share} quantile"
        assert value(real, name) == pytest.approx(value(real, name, REAL), rel=0.1)
    assert value(real, "variance between users, ratio") == pytest.approx(1, abs=0.2)


def test_one_rate_for_every_rank_is_further_from_people_than_they_are(real):
    assert "below same rate (better)" in real.measure(DEPTH).verdict
    assert value(real, INSIDE, "same rate") < 0.5


def test_rates_by_rank_have_the_ranks_right_and_single_items_wrong(real):
    assert value(real, INSIDE, "rates by rank") >= 0.8
    assert value(real, DEPTH, "rates by rank") < value(real, DEPTH, "same rate") / 3


def test_users_who_look_too_deep_are_seen(log, real):
    line = line_of(log, PlantedUsers(decay=0.95))
    assert value(line, DEPTH) > 3 * value(real, DEPTH)
    assert "above rates by rank (worse)" in line.measure(DEPTH).verdict
    assert value(line, INSIDE) < 0.5


def test_users_who_never_leave_are_seen(log, real):
    line = line_of(log, PlantedUsers(leave=(0.0,)))
    assert value(line, PAGES) > 5 * value(real, PAGES)
    assert value(line, "exit hazard after page 1") == 0
    assert "further from real users than same rate" in line.measure("exit hazard after page 1").verdict
    assert value(line, DEPTH) == value(real, DEPTH)


def test_users_who_stay_twice_as_long_are_seen(log, real):
    line = line_of(log, PlantedUsers(dwell=(3.0 + np.log(2), 1.0)))
    assert value(line, "dwell time, 50% quantile") == pytest.approx(2 * value(real, "dwell time, 50% quantile"), rel=0.1)
    assert "further from real users than rates by rank" in line.measure("dwell time, 50% quantile").verdict


def test_users_who_do_not_say_when_they_leave_are_told_so(log):
    class ClicksAlone(PlantedUsers):
        def browse(self, shown, seed):
            return Browsed(super().browse(shown, seed).clicked)

    line = line_of(log, ClicksAlone(), seeds=(1,))
    row = line.measure("exit hazard after page 1").candidate
    assert (row.estimate.value, row.note) == (None, "it does not say when its users leave")
    assert line.measure("dwell time, 50% quantile").candidate.note == "it does not say how long its users stay"


def test_a_log_without_order_is_judged_by_all_but_ranks(log):
    unordered = replace(log, position=np.full(len(log), -1))
    line = line_of(unordered, SameRate, seeds=(1,))
    names = [measure.name for measure in line.measures]
    assert names[0] == LENGTH
    assert not [name for name in names if "rank" in name or "depth" in name]


def test_the_model_is_fitted_to_other_users_and_told_nothing_that_people_did(log):
    seen = []

    class Curious(PlantedUsers):
        def __call__(self, training):
            seen.append(("fit", set(training.users.tolist())))
            return self

        def browse(self, shown, seed):
            seen.append(("browse", set(shown.users.tolist())))
            assert not shown.clicked.any()
            assert (shown.dwell, shown.rating, shown.purchased) == (None, None, None)
            return super().browse(shown, seed)

    run_behaviour_trials(log, "mine", Curious(), seeds=(1,))
    fits = [users for what, users in seen if what == "fit"]
    browses = [users for what, users in seen if what == "browse"]
    assert len(fits) == 5
    fitted = [fit for fit in fits for _ in range(len(browses) // 5)]
    assert all(not fit & browse for fit, browse in zip(fitted, browses, strict=True))
    assert set().union(*browses) == set(log.users.tolist())


def test_the_same_seed_gives_the_same_line(log, real):
    assert line_of(log, PlantedUsers()).to_json() == real.to_json()


def test_one_user_cannot_be_held_out(log):
    with pytest.raises(DataError, match="got one user, expected two or more"):
        run_behaviour_trials(log.of_users(log.users[:1]), "mine", SameRate, seeds=(1,))


def test_two_users_can(log):
    trials = run_behaviour_trials(log.of_users(log.users[:2]), "mine", SameRate, seeds=(1,))
    assert behaviour_line(trials, seed=1, resamples=10).measures


def test_few_users_are_drawn_where_few_are_wanted(log):
    trials = run_behaviour_trials(log, "mine", SameRate, seeds=(1,), users=20)
    assert len(trials.real.users) == 20
    assert "280 further users of the log were not drawn" in behaviour_line(trials, seed=1, resamples=10).protocol


def test_a_name_that_a_baseline_has_is_refused(log):
    with pytest.raises(ConfigError, match="which a baseline has"):
        run_behaviour_trials(log, "same rate", SameRate, seeds=(1,))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda shown: Browsed(np.zeros(3, np.bool_)), "browse, clicked: got bool of shape"),
        (lambda shown: Browsed(np.zeros(len(shown))), "browse, clicked: got float64 of shape"),
        (lambda shown: Browsed(shown.clicked, shown.clicked), "browse, leaves: got bool of shape"),
        (lambda shown: Browsed(shown.clicked, np.full(len(shown.pages.page), 1.5)), "got a number that is no chance"),
        (lambda shown: Browsed(shown.clicked, np.full(3, 0.5)), r"browse, leaves: got shape \(3,\)"),
        (lambda shown: Browsed(shown.clicked, None, np.full(len(shown), -1.0)), "browse, dwell: got a time below 0"),
    ],
)
def test_answers_of_the_wrong_kind_are_refused(log, answer, words):
    class Wrong:
        def browse(self, shown, seed):
            return answer(shown)

    with pytest.raises(ContractError, match=words):
        checked_browsing(Wrong(), log, 1)


@pytest.mark.parametrize("rows", [RankRates, SameRate])
def test_baselines_answer_the_same_whatever_else_is_in_the_log(log, rows):
    some = log.user_id < 50
    model = rows(log)
    whole, part = checked_browsing(model, log, 3), checked_browsing(model, log.take(some), 3)
    assert np.array_equal(whole.clicked[some], part.clicked)
    assert np.array_equal(whole.dwell[some], part.dwell, equal_nan=True)


def test_distances_are_those_of_scipy():
    one, other = np.array([[3.0, 0, 5, 2]]), np.array([[1.0, 1, 0, 8]])
    assert distances.jensen_shannon_distance(one, other) == pytest.approx(jensenshannon(one[0], other[0]))
    expected = wasserstein_distance(range(4), range(4), one[0], other[0])
    assert distances.wasserstein_of_counts(one, other) == pytest.approx(expected)
    assert np.isnan(distances.jensen_shannon_distance(one, 0 * other)[0])


def test_the_frechet_distance_of_two_normals_is_the_published_formula():
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3)), rng.normal(1.0, 2.0, size=(300, 3))
    sums = [distances.moments(side).sum(axis=0)[None] for side in (left, right)]
    one, other = np.cov(left, rowvar=False), np.cov(right, rowvar=False)
    values = np.linalg.eigvals(one @ other)
    gap = left.mean(axis=0) - right.mean(axis=0)
    expected = gap @ gap + np.trace(one + other) - 2 * np.sqrt(values.real).sum()
    assert distances.frechet(*sums) == pytest.approx(expected)
    assert distances.frechet(sums[0], sums[0]) == pytest.approx(0, abs=1e-9)


def session_log(clicks):
    """Return one user's sessions: a list a session of clicked or not by page, a page of two items each."""
    rows = [
        (session, page, slot, bool(clicked) and slot == 1)
        for session, pages in enumerate(clicks)
        for page, clicked in enumerate(pages)
        for slot in (0, 1)
    ]
    session, page, slot, clicked = (np.array(column) for column in zip(*rows, strict=True))
    return Exposures(name="few", user_id=0 * session, session=session, page=page, position=slot, item_id=slot, clicked=clicked)


def test_sessions_are_counted_by_events_and_by_what_follows_what():
    log = session_log([[0, 1, 1], [1], [0, 0]])
    tables = SessionTables(log=log, done=what_people_did(log))
    assert tables.lengths(9).tolist() == [[0, 0, 0, 1, 1, 0, 0, 0, 1, 0]]
    # Query, page, query, page, click, query, page, click: of three pages two lead to a click and one to a query.
    assert distances.action_features(np.array([3]), np.array([2]), np.array([True])) == pytest.approx(
        np.array([[3 / 8, 3 / 8, 2 / 8, 1, 2 / 3, 1 / 3, 1]])
    )
    assert distances.action_features(np.array([1]), np.array([0]), np.array([False])).tolist() == [[0.5, 0.5, 0, 1, 0, 0, 0]]
    assert tables.clicks_by_rank().tolist() == [[0, 3] + [0] * 18]
    assert tables.hazard_at(0).tolist() == [[1, 3]]
    assert tables.action_rate().tolist() == [[3, 6]]


def test_hazards_chain_to_the_lengths_that_they_were_counted_on():
    reached, left = [10.0, 6, 3], [4.0, 3, 3]
    assert distances.chained_lengths(np.array([[*reached, *left]])).tolist() == [pytest.approx([0.4, 0.3, 0.3])]


def test_dwell_quantiles_are_the_logs_own_values():
    log = planted_log(20)
    grid = dwell_grid(log)
    known = log.dwell[log.clicked]
    counts = SessionTables(log=log, done=what_people_did(log)).dwell(grid).sum(axis=0)[None]
    found = distances.quantile_of_counts(counts, grid, 0.5)[0]
    assert found == pytest.approx(np.quantile(known, 0.5, method="inverted_cdf"), rel=0.01)
    assert len(log.items) == ITEMS


def test_users_who_tell_chances_of_leaving_are_counted_by_them_and_not_by_dice(log):
    class Surely:
        def browse(self, shown, seed):
            return Browsed(np.zeros(len(shown), np.bool_), np.where(shown.pages.page == 0, 0.3, 0.6))

    trials = run_behaviour_trials(log, "surely", lambda training: Surely(), seeds=(1,))
    line = behaviour_line(trials, seed=1, resamples=50)
    first, second = (line.measure(f"exit hazard after page {page}").candidate.estimate for page in (1, 2))
    assert first.value == pytest.approx(0.3)
    assert second.value == pytest.approx(0.6)
    assert first.high - first.low < 1e-9
