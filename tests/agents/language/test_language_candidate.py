"""Language users as candidates: they are told of as the data know them."""

from __future__ import annotations

import pytest
from own_ids import make_shop

from recsim_llm.agents.language.language_candidate import LanguageCandidate
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.language.backends.scripted import Scripted
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.realism import hold_out


class Listener(Scripted):
    """Keeps what it is told of users."""

    def __init__(self):
        super().__init__(lambda text, question: (1.0,) * len(question.options))
        self.heard = []

    async def send(self, call):
        self.heard.append(call.messages[1].content)
        return await super().send(call)


def told(feedback, **parameters):
    held, listener = hold_out(make_shop(feedback=feedback), seed=1), Listener()
    asked = LanguageParameters(templates="en_compact", **parameters)
    with LanguageModel(listener, elicitation="forced") as model:
        candidate = LanguageCandidate(held.training, model, parameters=asked, seed=1)
        candidate.taste(held.user_index[:1], held.item_index[:1, None])
    return listener.heard


@pytest.mark.parametrize(("feedback", "stars"), [("implicit", False), ("explicit", True)])
def test_stars_are_told_where_people_give_some_and_nowhere_else(feedback, stars):
    (text,) = told(feedback)
    assert "take it? yes" in text
    assert ("stars 1 to 5:" in text) is stars
    assert ("On average you give" in text) is stars


def test_a_persona_written_for_a_user_s_own_id_is_told():
    words = "You are fond of garden tools."
    (text,) = told("implicit", personas=dict.fromkeys(make_shop().user_keys.values(), words))
    assert words in text
