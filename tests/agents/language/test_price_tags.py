"""Language users are told what stands on a page costs, where items have prices, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scripted_users import FakeModel, build_users, films, pages

from recsim_llm.agents.language.price_tags import PRICE_FILES, PriceTags
from recsim_llm.agents.language.prompt_templates import Templates, shipped_families
from recsim_llm.core.protocols import SeesPrices

SHOWN = np.arange(20).reshape(4, 5)


def told(model):
    return [[part.text for part in ask.prompt.parts if part.name == "prices"] for ask in model.asks]


def priced(model, **settings):
    """Return users whose items cost their position and a half."""
    return build_users(model, replace(films(), price=np.arange(40) + 0.5), **settings)


def test_a_line_before_the_page_says_what_is_on_it_by_number_of_presentation():
    model = FakeModel()
    users = priced(model, rotate=True)
    users.decide(pages(SHOWN))
    for ask, ((text,), row) in zip(model.asks, zip(told(model), SHOWN, strict=True), strict=True):
        page = ask.prompt.parts[-1].text
        for item in row.tolist():
            number = next(n for n in range(1, 6) if f'{n}. "{users._writer.item(item).title}"' in page)
            assert f"{number}. {item + 0.5:.2f}" in text
        assert [part.name for part in ask.prompt.parts][-2:] == ["prices", "page"]


def test_other_prices_are_told_from_then_on():
    model = FakeModel()
    users = priced(model)
    users.show_prices(np.full(40, 7.0, np.float32))
    users.decide(pages(SHOWN))
    assert all("1. 7.00; 2. 7.00" in text for (text,) in told(model))
    assert isinstance(users, SeesPrices)
    assert len(users.provenance["price_templates"]) == 32


def test_without_prices_nothing_is_said_of_them():
    model = FakeModel()
    users = build_users(model)
    users.decide(pages(SHOWN))
    assert told(model) == [[]] * 4
    assert "price_templates" not in users.provenance


@pytest.mark.parametrize("family", shipped_families())
def test_every_family_has_words_for_prices(family):
    assert Templates(family, PRICE_FILES).versions
    text = PriceTags(family, np.array([2.5, 3.0], np.float32)).part([1, 0]).text
    assert "1. 3.00; 2. 2.50" in text
    assert ("kostet" in text) == family.startswith("de")
