"""The leakage audit: what plants a leak is caught, and honest users are let through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_sessions import PlantedUsers, planted_log

from recsim_llm.core.exposures import Exposures
from recsim_llm.realism.behaviour.behaviour_trials import run_behaviour_trials
from recsim_llm.realism.lines.leakage import leakage_line

METADATA, PERMUTED, STRUCTURE = (
    f"AUC of telling real from simulated, {kind}" for kind in ("metadata", "permuted labels", "structure")
)
LATER, SEEN = "answers that hang on later pages", "held-out pages that the fit was shown, by others"


@pytest.fixture(scope="module")
def log():
    return planted_log(150)


def audit(log, users):
    return leakage_line(run_behaviour_trials(log, "mine", users, seeds=(1,)), seed=1, resamples=60)


def told(line, name):
    row = line.measure(name).candidate
    return row.estimate.value, row.note


@pytest.fixture(scope="module")
def honest(log):
    return audit(log, PlantedUsers())


def test_the_real_ones_cannot_be_told_from_people(honest):
    for name in (METADATA, PERMUTED):
        value, note = told(honest, name)
        assert value < 0.55
        assert note == "no leak"
    assert told(honest, STRUCTURE)[0] == pytest.approx(0.5, abs=0.05)
    for name in (LATER, "held-out users in the fit", "held-out sessions in the fit", SEEN):
        assert told(honest, name)[0] == 0


def test_users_who_click_deeper_are_told_by_structure_and_are_no_leak(log):
    line = audit(log, PlantedUsers(decay=1.0))
    assert told(line, STRUCTURE)[0] > 0.6
    assert told(line, METADATA)[1] == "no leak"
    assert told(line, PERMUTED)[1] == "no leak"


def test_dwell_times_that_are_missing_for_the_simulated_alone_are_a_leak(log):
    class Forgetful(PlantedUsers):
        def browse(self, shown, seed):
            done = super().browse(shown, seed)
            return done._replace(dwell=np.where(shown.item_id % 2 == 0, np.nan, done.dwell))

    value, note = told(audit(log, Forgetful()), METADATA)
    assert value > 0.7
    assert note == "a leak"


def test_whole_seconds_of_the_log_give_nobody_away(log):
    rounded = replace(log, dwell=np.rint(log.dwell))
    trials = run_behaviour_trials(rounded, "mine", PlantedUsers(), seeds=(1,))
    assert (np.nan_to_num(trials.browsed["mine"][0].dwell) % 1 == 0).all()
    assert told(leakage_line(trials, seed=1, resamples=20), METADATA)[1] == "no leak"


def test_who_knows_where_sessions_end_is_found_out(log):
    class Foreseeing(PlantedUsers):
        def browse(self, shown, seed):
            return super().browse(shown, seed)._replace(leaves=shown.pages.last_of_session.copy())

    assert told(audit(log, Foreseeing()), LATER)[0] > 0.02


def test_dice_that_hang_on_the_row_are_found_out(log):
    class Unkeyed(PlantedUsers):
        def browse(self, shown, seed):
            done = super().browse(shown, seed)
            return done._replace(clicked=np.random.default_rng(seed).random(len(shown)) < 0.2, dwell=None)

    assert told(audit(log, Unkeyed()), LATER)[0] > 0.02


def test_pages_that_others_were_shown_are_counted():
    user, page, slot = (axis.reshape(-1) for axis in np.indices((10, 1, 3)))
    shown = np.where(user < 5, 100 * user, 0) + slot
    log = Exposures(name="same", user_id=user, session=user, page=page, position=slot, item_id=shown, clicked=slot == 0)
    assert told(audit(log, PlantedUsers()), SEEN)[0] == pytest.approx(0.6)


def test_the_parts_that_were_held_out_have_fingerprints(log, honest):
    folds = honest.curves["folds"]
    assert len({fold["held_out"] for fold in folds} | {fold["training"] for fold in folds}) == 10
    assert log.fingerprint not in {fold["training"] for fold in folds}
