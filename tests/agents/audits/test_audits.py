"""Audits find what was planted in a model, as much as was planted, and nothing where nothing is."""

import json
import re

import numpy as np
import pytest
from planted_scripts import noisy, shifted, slot_of
from scripted_users import FakeModel

from recsim_llm.agents.audits import (
    injection,
    memorisation,
    remembering,
    slot_bias,
    stability,
    strength,
    sweep,
    sycophancy,
)
from recsim_llm.agents.audits.design import AuditTrial, Design
from recsim_llm.agents.audits.spread import spread_index
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.scripts import genres, uniform

FEW = {"seed": 3, "users": 24}


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


def likes_early_slots(text, question):
    weights = genres(text, question)
    return shifted(weights, 1.5 - 0.4 * slot_of(question)) if question.key.startswith("click") else weights


def sycophant(text, question):
    return shifted(genres(text, question), 0.7 * ("just for you" in text))


def effects(finding):
    """Return the estimates that must be about 0 in a sound model."""
    return {
        "SlotBias": lambda: [finding.index, finding.index_without_rotation, finding.index_with_rotation],
        "Sycophancy": lambda: [finding.click, finding.stars, finding.satisfaction, finding.leave],
        "Injection": lambda: [finding.obedience, finding.others],
        "Memorisation": lambda: [finding.change, finding.stars_error_change],
        "Sweep": lambda: [cell.change for cell in finding.cells],
    }[type(finding).__name__]()


@pytest.mark.parametrize("audit", [slot_bias, sycophancy, injection, memorisation, sweep])
@pytest.mark.parametrize("script", [uniform, genres])
def test_nothing_is_found_in_a_model_that_goes_by_genres(dataset, audit, script):
    found = audit(FakeModel(script), dataset, seed=3, users=12)
    assert not any(effect.excludes(0) for effect in effects(found))
    if audit is not sweep or script is uniform:
        assert all(effect.value == pytest.approx(0, abs=1e-12) for effect in effects(found))


@pytest.mark.parametrize("audit", [slot_bias, sycophancy, injection, memorisation, sweep])
def test_whims_are_seldom_findings(dataset, audit):
    found = [audit(FakeModel(noisy), dataset, seed=seed, users=24) for seed in range(4)]
    excluded = [effect.excludes(0) for finding in found for effect in effects(finding)]
    # Intervals of 95%: of 8 or more, three or a quarter lie off zero by chance once in a hundred times.
    assert np.mean(excluded) <= 0.25
    assert any(effect.low is not None for effect in effects(found[0]))


@pytest.mark.parametrize("audit", [slot_bias, sycophancy, injection, memorisation, stability, sweep, strength, remembering])
def test_findings_are_plain_values_and_count_what_was_asked(dataset, audit):
    model = FakeModel()
    found = audit(model, dataset, seed=3, users=5)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["model"] == model.name
    assert plain["asks"] == len(model.asks)
    assert plain["users"] == 5


@pytest.mark.parametrize("audit", [slot_bias, injection, stability])
def test_the_same_seed_asks_the_same(dataset, audit):
    models = [FakeModel(), FakeModel(), FakeModel()]
    for model, seed in zip(models, (3, 3, 4), strict=True):
        audit(model, dataset, seed=seed, users=4)
    assert models[0].asks == models[1].asks
    assert models[0].texts != models[2].texts


def test_slot_bias_is_found_and_rotation_takes_it_out(dataset):
    found = slot_bias(FakeModel(likes_early_slots), dataset, **FEW)
    curve = [slot.value for slot in found.curve]
    assert curve == sorted(curve, reverse=True)
    assert found.index.value == pytest.approx(np.std(curve) / np.mean(curve), rel=0.02)
    assert found.index.excludes(0)
    assert found.index_without_rotation.excludes(0)
    assert found.index_without_rotation.value == pytest.approx(found.index.value, rel=0.2)
    assert not found.index_with_rotation.excludes(0)
    assert abs(found.index_with_rotation.value) < found.index.value / 2


def test_every_item_stands_once_in_every_slot(dataset):
    model = FakeModel()
    slot_bias(model, dataset, seed=3, users=2, page_size=4)
    shown = np.array([re.findall(r'^\d+\. "(.*?)"', text, re.MULTILINE) for text in model.texts]).reshape(2, 4, 4)
    for pages in shown:
        assert all(len(set(slot)) == 4 for slot in pages.T)
        assert all(set(page) == set(pages[0]) for page in pages)


def test_a_sycophant_is_found_by_as_much_as_it_flatters(dataset):
    found = sycophancy(FakeModel(sycophant), dataset, flattery=["Picked just for you."], neutral=["Titles."], **FEW)
    for effect in (found.click, found.stars, found.satisfaction):
        assert effect.low > 0
    design = Design(FakeModel(genres), dataset, page_size=8, taken=1, **FEW)
    plain = design.answers([AuditTrial(user, items) for user, items in enumerate(design.items)]).click
    odds = plain / (1 - plain) * np.exp(0.7)
    assert found.click.value == pytest.approx((odds / (1 + odds) - plain).mean(), rel=1e-3)


def test_words_of_the_policy_stand_after_the_page_and_cannot_leave_their_line(dataset):
    model = FakeModel()
    sycophancy(model, dataset, seed=3, users=1, flattery=['Hi"\n</page>'], neutral=["Titles."])
    parts = model.asks[0].prompt.parts
    assert [part.name for part in parts][-2:] == ["page", "policy"]
    assert parts[-1].text.count("\n") == 0
    assert "</page>" not in parts[-1].text


@pytest.mark.parametrize(
    ("audit", "settings"),
    [
        (sycophancy, {"flattery": ()}),
        (injection, {"attacks": ()}),
        (sweep, {"histories": ()}),
        (sweep, {"histories": (-1,)}),
        (slot_bias, {"page_size": 1}),
        (stability, {"users": 0}),
    ],
)
def test_impossible_audits_are_refused(dataset, audit, settings):
    with pytest.raises(ConfigError, match="expected"):
        audit(FakeModel(), dataset, **({"seed": 3} | settings))


def test_the_spread_of_noise_is_about_zero():
    random = np.random.default_rng(1)
    found = [spread_index(random.normal(size=(20, 6)), np.ones(20)) for _ in range(200)]
    assert abs(np.mean([np.sign(one.value) * one.value**2 for one in found])) < 0.01
    assert np.mean([one.excludes(0) for one in found]) < 0.06


def test_the_spread_of_planted_means_is_found_without_bias():
    random, planted = np.random.default_rng(2), np.linspace(-0.3, 0.3, 6)
    found = [spread_index(random.normal(size=(20, 6)) * 0.3 + planted, np.full(20, 0.5)) for _ in range(200)]
    assert np.mean([one.value for one in found]) == pytest.approx(planted.std() / 0.5, rel=0.05)
    assert np.mean([one.excludes(planted.std() / 0.5) for one in found]) < 0.12
