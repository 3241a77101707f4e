"""Language models of policies that are planted: a script, what it writes, and one that fails for some."""

from scripted_users import FakeModel, text_of

from recsim_llm.errors import ModelReplyError
from recsim_llm.language.backends.scripted_recommender import history
from recsim_llm.language.backends.scripts import uniform
from recsim_llm.language.base.questions import Ask


class FakePolicy(FakeModel):
    """Answers typed questions by a script, and writes what ``write`` returns for a prompt's text; keeps what it was told."""

    def __init__(self, write=lambda text: "", script=uniform):
        super().__init__(script)
        self._write = write
        self.written = []

    def write_each(self, texts):
        told = [text_of(Ask(one.prompt, ())) for one in texts]
        self.written += told
        return [self._write(text) for text in told]


def unwritten(cause="refusal"):
    return ModelReplyError("got nothing, expected a text", cause=cause)


class Garbled(FakePolicy):
    """Gives nothing readable about the users of whom ``lost`` says so."""

    def __init__(self, lost):
        super().__init__(script=history)
        self.lost = lost

    def ask_each(self, asks):
        replies = super().ask_each(asks)
        return [unwritten() if self.lost(int(ask.subject)) else reply for ask, reply in zip(asks, replies, strict=True)]


def policy(kind, model, **settings):
    """Return a recommender of this class and these settings that asks this model."""
    made = kind(kind.Settings(**settings))
    made.consult(model)
    return made


def counted(recommender):
    """Return what a recommender counted: amount and cases in all, by what was counted."""
    return {count.what: (count.amount.sum(), count.cases.sum()) for count in recommender.counts()}
