"""Whatever a language model answers, what is made of it stays within the declared bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.page_answers import answer_bounds, blank_answers, read_answers
from recsim_llm.language.base.questions import Answer, score, yes_no

SLOTS = 2
CHANCE = st.sampled_from([0.0, 1e-9, 0.3, 1.0])
CALIBRATIONS = st.builds(
    Calibration,
    click_slope=st.floats(0, 3),
    click_bias=st.floats(-4, 4),
    leave_slope=st.floats(0, 3),
    leave_bias=st.floats(-4, 4),
)


@given(chances=st.lists(CHANCE, min_size=4, max_size=4), calibration=CALIBRATIONS, slope=st.floats(-2, 2))
def test_no_answer_leaves_the_bounds(chances, calibration, slope):
    sure = [Answer(yes_no(f"q{n}", "?"), (chance, 1 - chance)) for n, chance in enumerate(chances[:2])]
    stars = Answer(score("stars", "?"), (0.2,) * 5)
    mood = Answer(score("mood", "?"), (1 - chances[2], 0.0, 0.0, 0.0, chances[2]))
    leave = Answer(yes_no("leave", "?"), (chances[3], 1 - chances[3]))
    page = blank_answers(1, SLOTS + 1)
    bounds = answer_bounds(calibration, 0.5, slope)
    assert bounds.leave_log_odds.holds(page.leave.min(), page.leave.max())
    read_answers(page, 0, (0, 1), [*sure, stars, stars, mood, leave], calibration=calibration)
    assert bounds.click_log_odds.holds(page.click.min(), page.click.max(), slack=1e-3)
    assert bounds.leave_log_odds.holds(page.leave.min(), page.leave.max(), slack=1e-3)
    assert bounds.satisfaction.holds(page.satisfaction.min(), page.satisfaction.max(), slack=1e-3)
    back = 0.5 + slope * page.satisfaction
    assert bounds.return_log_odds.holds(back.min(), back.max(), slack=1e-3)
