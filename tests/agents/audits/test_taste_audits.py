"""What models know of titles, how they bear typos, long histories and long pages, and how strong preferences act."""

import re

import numpy as np
import pytest
from planted_scripts import line_of, noise_of, shifted, slot_of, title_of
from scripted_users import FakeModel

from recsim_llm.agents.audits import memorisation, stability, strength, sweep
from recsim_llm.agents.audits.design import AuditTrial, Design, area_under_curve
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.scripts import genres, uniform

FEW = {"seed": 3, "users": 24}


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


def knows(dataset):
    """Return a script that recognises by title what each user really took later."""
    model = FakeModel()
    design = Design(model, dataset, seed=3, users=24, page_size=10)
    design.answers([AuditTrial(user, items) for user, items in enumerate(design.items)])
    pages = zip(model.asks, design.pages.item_index, design.pages.taken, strict=True)
    taken = {(ask.prompt.parts[1].text, dataset.catalog.title[item]) for ask, items, took in pages for item in items[took]}

    def script(text, question):
        weights = genres(text, question)
        if not slot_of(question):
            return weights
        persona = next(part for part in text.split("\n\n") if part.startswith("The person you play"))
        return shifted(weights, 3 * ((persona, title_of(line_of(text, question)).replace("’", "'")) in taken))

    return script


def test_a_model_that_knows_the_titles_does_better_with_them(dataset):
    found = memorisation(FakeModel(knows(dataset)), dataset, **FEW)
    assert found.change.low > 0.1
    assert found.moved.low > 0
    assert found.change.value == pytest.approx(found.named.value - found.anonymous.value)


def test_titles_that_sway_without_teaching_change_clicks_but_not_the_ranking(dataset):
    def swayed(text, question):
        return shifted(genres(text, question), noise_of(title_of(line_of(text, question))) if slot_of(question) else 0)

    found = memorisation(FakeModel(swayed), dataset, **FEW)
    assert not found.change.excludes(0)
    assert found.moved.low > 0.05


def test_anonymous_pages_keep_years_and_genres_and_nothing_else(dataset):
    model = FakeModel()
    memorisation(model, dataset, seed=3, users=3, page_size=6)
    pages = [re.findall(r"^(\d+)\. \"(.*?)\"(.*)$", text, re.MULTILINE) for text in model.texts]
    for named, anonymous in zip(pages[:3], pages[3:], strict=True):
        assert [(number, rest) for number, _, rest in named] == [(number, rest) for number, _, rest in anonymous]
        assert all(re.fullmatch(r"Item \d+", title) for _, title, _ in anonymous)
        assert not any(re.fullmatch(r"Item \d+", title) for _, title, _ in named)


def test_stability_tells_which_perturbation_matters(dataset):
    def spells(text, question):
        line = title_of(line_of(text, question)).casefold() if slot_of(question) else ""
        return shifted(genres(text, question), 2 * noise_of(line))

    found = {one.perturbation: one for one in stability(FakeModel(spells), dataset, **FEW).agreements}
    assert list(found) == ["repeat", "typo", "capitals", "paraphrase"]
    for sound in ("repeat", "capitals"):
        assert found[sound].decisions.value == found[sound].favourite.value == 1
        assert found[sound].stars.value == 0
    for fragile in ("typo", "paraphrase"):
        assert found[fragile].decisions.high < 0.95
        assert found[fragile].favourite.high < 1
        assert found[fragile].stars.low > 0


def test_titles_stay_nearly_the_same(dataset):
    model = FakeModel()
    stability(model, dataset, seed=3, users=5)
    titles = np.array([re.findall(r'^\d+\. "(.*?)"', text, re.MULTILINE) for text in model.texts]).reshape(5, 5, 8)
    plain, again, typo, capitals, paraphrase = titles.reshape(5, -1).tolist()
    assert plain == again
    assert capitals == [title.upper() for title in plain]
    assert all(sorted(one) == sorted(other) for one, other in zip(plain, typo, strict=True))
    assert all(sum(a != b for a, b in zip(*pair, strict=True)) == 2 for pair in zip(plain, typo, strict=True))
    for one, other in zip(plain, paraphrase, strict=True):
        assert other in (f"The one called {one}", f"{one.partition(' ')[2]}, {one.partition(' ')[0]}")


def test_a_model_that_loses_its_way_in_long_histories_is_found(dataset):
    def forgetful(text, question):
        return genres(text, question) if text.count("You gave") < 16 else uniform(text, question)

    found = sweep(FakeModel(forgetful), dataset, seed=3, users=60, histories=(0, 5, 20), page_sizes=(10,))
    short, middle, long = found.cells
    assert short.auc.low > 0.5
    assert middle.change.value == 0
    assert long.auc.value == 0.5
    assert long.change.high < 0
    assert [cell.told for cell in found.cells] == pytest.approx([0, 5, 19], abs=1)
    assert short.tokens < middle.tokens < long.tokens


def rated_lines(text):
    """Return the titles that a compact persona tells with their ratings."""
    return re.findall(r'^"(.+?)" .*, take it\? (?:yes|no)$', text, re.MULTILINE)


def more_with_history(dataset):
    """Return a script that knows what is taken, and follows it the more, the more ratings it is told."""
    design = Design(FakeModel(), dataset, page_size=20, seed=3, users=40)
    titles = {dataset.catalog.title[item] for items, took in zip(*design.pages[1:3], strict=True) for item in items[took]}

    def script(text, question):
        known = slot_of(question) and title_of(line_of(text, question)) in titles
        told = len(rated_lines(text)) + text.count("You gave")
        return shifted((0.5,) * len(question.options), 0.06 * told * bool(known) + noise_of(text, question.key))

    return script


@pytest.mark.parametrize("family", ["en", "en_compact"])
def test_a_model_whose_fidelity_rises_with_history_is_seen_to(dataset, family):
    asked = {"seed": 3, "users": 40, "histories": (0, 10, 40), "page_sizes": (6, 12)}
    model = FakeModel(more_with_history(dataset))
    found = sweep(model, dataset, **asked, parameters=LanguageParameters(templates=family))
    for size in (6, 12):
        none, some, many = (cell for cell in found.cells if cell.page_size == size)
        assert none.auc.value == pytest.approx(0.5, abs=0.12)
        assert none.auc.value < some.auc.value < many.auc.value
        assert many.change.low > 0.1 or size == 12
        assert [none.told, some.told] == [0, 10]
        assert 10 < many.told <= 40
        assert none.tokens < some.tokens < many.tokens


def test_compact_personas_tell_as_many_ratings_as_are_swept_and_nothing_else_tells_any(dataset):
    model = FakeModel()
    asked = {"seed": 3, "users": 8, "histories": (0, 5, 80), "page_sizes": (6,)}
    found = sweep(model, dataset, **asked, parameters=LanguageParameters(templates="en_compact", rating_history=3))
    told = np.array([len(rated_lines(text)) for text in model.texts]).reshape(3, 8)
    assert told.mean(axis=1).tolist() == [cell.told for cell in found.cells]
    assert told[0].max() == 0
    assert (told[1] == 5).all()
    assert told[2].min() > 5
    assert {part.name for ask in model.asks for part in ask.prompt.parts} == {"rules", "persona", "page"}
    assert not any("stars 1 to 5" in text or "take it?" in text for text in model.texts[:8])


def test_audits_tell_as_many_ratings_as_the_parameters_say(dataset):
    model = FakeModel()
    stability(model, dataset, seed=3, users=3, parameters=LanguageParameters(templates="en_compact", rating_history=4))
    assert {len(rated_lines(text)) for text in model.texts} == {4}


def test_a_model_that_reads_the_first_lines_only_fails_on_long_pages(dataset):
    design = Design(FakeModel(), dataset, page_size=20, **FEW)
    titles = {dataset.catalog.title[item] for items, took in zip(*design.pages[1:3], strict=True) for item in items[took]}

    def reads_four_lines(text, question):
        known = 0 < slot_of(question) <= 4 and title_of(line_of(text, question)) in titles
        return (0.9, 0.1) if known and len(question.options) == 2 else uniform(text, question)

    found = sweep(FakeModel(reads_four_lines), dataset, histories=(0,), page_sizes=(4, 20), **FEW)
    assert found.cells[0].auc.value > 0.95
    assert found.cells[1].change.high < -0.2


def test_histories_are_the_latest_earlier_ratings_and_never_what_is_asked_about(dataset):
    model = FakeModel()
    sweep(model, dataset, seed=3, users=8, histories=(10,), page_sizes=(6,))
    for text in model.texts:
        told = set(re.findall(r'^- You gave "(.*?)"', text, re.MULTILINE))
        assert len(told) == 10
        assert not told & set(re.findall(r'^\d+\. "(.*?)"', text, re.MULTILINE))


def taste_reader(dataset, strong):
    """Return a script that knows each persona's taste and follows it, by its strength or only by its order."""
    design = Design(FakeModel(), dataset, seed=3, users=60, page_size=10, taken=1)
    people = design.population
    taste = {design.writer.persona(user).text: people.taste[user] for user in design.pages.user_index.tolist()}

    def script(text, question):
        if not slot_of(question):
            return uniform(text, question)
        persona = next(part for part in text.split("\n\n") if part.startswith("The person you play"))
        own = dict(zip(people.genre_names, taste[persona], strict=True))
        named = line_of(text, question).split(" | ")[1].split(", ")
        liking = float(np.mean([own[name] for name in named]))
        if not strong:
            liking = np.sign(liking) * (1 + 0.2 * noise_of(text, question.key))
        return shifted((0.5,) * len(question.options), liking)

    return script


def test_strength_is_found_where_users_act_on_it(dataset):
    found = strength(FakeModel(taste_reader(dataset, True)), dataset, seed=3)
    assert found.within.value == pytest.approx(1, abs=1e-3)
    assert found.slope.value == pytest.approx(1, abs=1e-3)
    assert found.between.value > 0.99


def test_users_who_know_only_the_order_of_their_tastes_show_no_strength(dataset):
    found = strength(FakeModel(taste_reader(dataset, False)), dataset, seed=3)
    assert found.within.low > 0.5
    assert not found.between.excludes(0)


def test_users_without_taste_have_no_slope(dataset):
    found = strength(FakeModel(noise_only), dataset, seed=3)
    for effect in (found.within, found.slope, found.stars_slope, found.between):
        assert not effect.excludes(0)


def noise_only(text, question):
    return shifted((1,) * len(question.options), noise_of(text, question.key))


def test_area_under_the_curve_counts_ties_half():
    score = np.array([[3.0, 1, 2], [1, 1, 1]])
    taken = np.array([[True, False, False], [False, True, False]])
    assert area_under_curve(score, taken).tolist() == [1, 0.5]
    assert area_under_curve(-score, taken).tolist() == [0, 0.5]
    with pytest.raises(ConfigError, match="expected some of each"):
        area_under_curve(score, np.ones((2, 3), bool))
