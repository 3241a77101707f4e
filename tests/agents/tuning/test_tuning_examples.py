"""Pages to learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.tuning.tuning_examples import Examples, ExampleSettings
from recsim_llm.data import open_dataset


def test_a_number_is_one_batch_of_examples(examples):
    assert examples.draw(3, 4) == examples.draw(3, 4)
    assert examples.draw(3, 4) != examples.draw(4, 4)


def test_what_an_example_asks_depends_on_seed_batch_and_place_alone(examples):
    few, many = examples.draw(3, 2), examples.draw(3, 6)
    assert [(one.questions, one.targets) for one in few] == [(one.questions, one.targets) for one in many[:2]]


def test_users_items_and_moments_are_drawn_as_often_as_they_should(learned_from):
    """Users by the root of how much they rated; pages of either size alike; a third of the prompts tell a visit under way."""
    settings = ExampleSettings(page_items=(5, 8), rating_history=50)
    drawn = Examples(learned_from, Templates("en_compact"), settings, seed=3).draw(0, 400)
    sizes = np.array([sum(question.key.startswith("click") for question in one.questions) for one in drawn])
    assert set(sizes.tolist()) == {5, 8}
    assert 0.4 < (sizes == 5).mean() < 0.6
    clicks = np.concatenate(
        [
            [target[0] for question, target in zip(one.questions, one.targets, strict=True) if "click" in question.key]
            for one in drawn
        ]
    )
    assert 0.15 < clicks.mean() < 0.35
    places = np.concatenate(
        [np.flatnonzero([target == (1.0, 0.0) for target in one.targets[:5]]) for one in drawn if one.targets]
    )
    assert np.bincount(places, minlength=5).min() > 0.6 * np.bincount(places, minlength=5).max()


def test_a_page_asks_about_items_that_the_prompt_does_not_tell(examples):
    for example in examples.draw(1, 20):
        told = example.messages[1].content.partition("<page>")[0]
        asked = [question.lead.split('"')[1] for question in example.questions if question.key.startswith("click")]
        assert len(set(asked)) == 5
        assert not [title for title in asked if f'\n"{title}"' in told]


def test_stars_are_asked_of_what_was_taken_alone(examples):
    for example in examples.draw(2, 20):
        answers = {question.key: target for question, target in zip(example.questions, example.targets, strict=True)}
        taken = {key.removeprefix("click_") for key, target in answers.items() if key.startswith("click") and target[0] == 1.0}
        assert {key.removeprefix("stars_") for key in answers if key.startswith("stars")} == taken
        assert all(abs(sum(target) - 1.0) < 1e-9 for target in answers.values())


def test_what_is_taken_comes_later_than_what_is_told(learned_from, examples):
    ratings = learned_from.ratings
    titles = learned_from.catalog.title[learned_from.catalog.index_of(ratings.item_id)].tolist()
    times = {}
    for user, title, time in zip(ratings.user_id.tolist(), titles, ratings.timestamp.tolist(), strict=True):
        times.setdefault(user, {})[title] = time
    with_taken = 0
    for example in examples.draw(5, 20):
        lines = example.messages[1].content.partition("<page>")[0].splitlines()
        told = {line.split('"')[1] for line in lines if line.startswith('"')}
        answers = zip(example.questions, example.targets, strict=True)
        taken = {
            question.lead.split('"')[1] for question, target in answers if target == (1.0, 0.0) and question.key != "leave"
        }
        owners = [own for own in times.values() if told | taken <= own.keys()]
        assert any(max(own[title] for title in told) <= min(map(own.get, taken), default=10**18) for own in owners)
        with_taken += bool(taken)
    assert with_taken


def test_a_catalog_that_holds_too_little_gives_shorter_pages():
    drawn = Examples(open_dataset("fictional-100"), Templates("en_compact"), ExampleSettings(page_items=(98,)), seed=7).draw(
        0, 4
    )
    pages = [sum(question.key.startswith("click") for question in example.questions) for example in drawn]
    assert 0 < min(pages) < 98


def test_pages_of_data_without_stars_ask_for_none(learned_from):
    same = replace(learned_from.ratings, rating=np.full(len(learned_from.ratings), 5, np.float32))
    starless = replace(learned_from, ratings=same, feedback="implicit")
    drawn = Examples(starless, Templates("en_compact"), ExampleSettings(page_items=(5,)), seed=7).draw(0, 6)
    assert not [question for one in drawn for question in one.questions if question.key.startswith("stars")]
    assert not any("stars 1 to 5" in one.messages[1].content for one in drawn)
