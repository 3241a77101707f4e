"""Pages to learn from."""

from __future__ import annotations

from recsim_llm.agents.tuning.tuning_examples import Examples, ExampleSettings


def test_a_number_is_one_batch_of_examples(examples):
    assert examples.draw(3, 4) == examples.draw(3, 4)
    assert examples.draw(3, 4) != examples.draw(4, 4)


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
    ratings, catalog = learned_from.ratings, learned_from.catalog
    title = {catalog.title[place]: item for place, item in enumerate(catalog.item_id.tolist())}
    times = {}
    for item, time in zip(ratings.item_id.tolist(), ratings.timestamp.tolist(), strict=True):
        times.setdefault(item, []).append(time)
    example = next(one for one in examples.draw(5, 20) if one.targets[0] == (1.0, 0.0))
    assert example.questions[0].lead.split('"')[1] in title


def test_pages_of_data_without_stars_ask_for_none(learned_from):
    from dataclasses import replace

    import numpy as np

    from recsim_llm.agents.language.prompt_templates import Templates

    same = replace(learned_from.ratings, rating=np.full(len(learned_from.ratings), 5, np.float32))
    starless = replace(learned_from, ratings=same, feedback="implicit")
    drawn = Examples(starless, Templates("en_compact"), ExampleSettings(page_items=(5,)), seed=7).draw(0, 6)
    assert not [question for one in drawn for question in one.questions if question.key.startswith("stars")]
    assert not any("stars 1 to 5" in one.messages[1].content for one in drawn)
