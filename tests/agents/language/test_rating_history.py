"""What users rated before the first page, and how prompts tell it."""

from __future__ import annotations

import numpy as np
from scripted_users import films, people

from recsim_llm.agents.language.prompt_budget import PromptBudget
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core.ratings import Ratings


def rated(catalog, population):
    who, other = population.user_id[[2, 0]]
    return Ratings(
        user_id=np.array([who, other, who, who]),
        item_id=catalog.item_id[[5, 4, 3, 1]],
        rating=np.array([5, 1, 2, 4], np.float32),
        timestamp=np.array([30, 10, 10, 20]),
    )


def test_a_users_own_ratings_are_given_by_time():
    catalog, population = films(), people()
    items, stars = RatingHistory(rated(catalog, population), population.user_id, catalog).of(2)
    assert items.tolist() == [3, 1, 5]
    assert stars.tolist() == [2, 4, 5]


def test_the_order_of_the_rows_does_not_matter():
    catalog, population = films(), people()
    ratings = rated(catalog, population)
    columns = {name: getattr(ratings, name)[::-1] for name in ("user_id", "item_id", "rating", "timestamp")}
    backwards = Ratings(**columns)
    items, _ = RatingHistory(backwards, population.user_id, catalog).of(2)
    assert items.tolist() == [3, 1, 5]


def test_whoever_rated_nothing_has_no_history():
    catalog, population = films(), people()
    items, stars = RatingHistory(rated(catalog, population), population.user_id, catalog).of(1)
    assert (len(items), len(stars)) == (0, 0)


def test_the_compact_persona_tells_the_latest_ratings_in_words():
    catalog, population = films(), people()
    history = RatingHistory(rated(catalog, population), population.user_id, catalog)
    writer = PromptWriter(
        catalog, population, Templates("en_compact"), "forced", history=history, budget=PromptBudget(ratings=2)
    )
    text = writer.persona(2).text
    assert str(catalog.title[3]) not in text
    assert text.index(f'"{catalog.title[1]}"') < text.index(f'"{catalog.title[5]}"')
    assert text.endswith(", stars 1 to 5: 5, take it? yes")
