"""What visits are for: shares, genres by taste, and draws that hang on user and visit alone."""

import numpy as np
import pytest
from living import tiny_population
from scipy.stats import chisquare

from recsim_llm.dynamics.intents import USUAL_INTENTS, Intent, Intents
from recsim_llm.errors import ConfigError

MANY = np.repeat(np.arange(6), 4_000)
VISIT = np.tile(np.arange(4_000), 6)


def test_intents_have_their_shares():
    drawn = Intents(USUAL_INTENTS, tiny_population(), 3).draw(MANY, VISIT)
    share = np.array([USUAL_INTENTS[name].share for name in sorted(USUAL_INTENTS)])
    assert chisquare(np.bincount(drawn.intent), share / share.sum() * len(MANY)).pvalue > 1e-3


def test_the_genre_follows_the_users_own_taste():
    drawn = Intents({"look": Intent(share=1.0, genre=2.0)}, tiny_population(), 3).draw(MANY, VISIT)
    taste = np.exp([1.0, 0.0, -1.0])
    assert chisquare(np.bincount(drawn.genre[:4_000]), taste / taste.sum() * 4_000).pvalue > 1e-3
    assert np.array_equal(drawn.wish.argmax(axis=1), drawn.genre)
    assert (drawn.wish.sum(axis=1) == 2.0).all()


def test_a_present_is_chosen_by_another_users_taste():
    drawn = Intents({"gift": Intent(share=1.0, genre=1.0, whose="other")}, tiny_population(), 3).draw(MANY, VISIT)
    first, second = np.exp([1.0, 0.0, -1.0]), np.exp([-0.5, 0.5, 0.0])
    mixed = (first / first.sum() + second / second.sum()) / 2
    assert chisquare(np.bincount(drawn.genre[:4_000]), mixed * 4_000).pvalue > 1e-3


def test_a_draw_depends_on_user_and_visit_alone():
    intents = Intents(USUAL_INTENTS, tiny_population(), 3)
    everyone, one = intents.draw(MANY, VISIT), intents.draw(MANY[9_000:9_003], VISIT[9_000:9_003])
    for whole, part in zip(everyone, one, strict=True):
        assert np.array_equal(whole[9_000:9_003], part)


def test_the_order_in_which_intents_are_written_does_not_matter():
    other = dict(reversed(USUAL_INTENTS.items()))
    one, same = (Intents(intents, tiny_population(), 3).draw(MANY, VISIT) for intents in (USUAL_INTENTS, other))
    assert np.array_equal(one.intent, same.intent)


def test_no_intents_are_refused():
    with pytest.raises(ConfigError, match="intents: got none"):
        Intents({}, tiny_population(), 3)
