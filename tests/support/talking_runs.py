"""Small runs of conversations for exports and cards, with critiques, changes of mind and users who leave."""

from recsim_llm.recommenders import Popularity
from recsim_llm.scenarios import load_scenario, run

SMALL = {
    "data": "fictional-100",
    "users.count": 30,
    "seed": 5,
    "max_pages": 6,
    "conversation.max_turns": 6,
    "conversation.mode": "chat",
    "conversation.critiques": 0.6,
    "conversation.change_of_mind": 0.15,
    "recommenders": ["asking", "popularity"],
    "measure": None,
    "expect": [],
}

TALK_FORMATS = ("conversations", "redial", "inspired")
"""Formats of exports that only runs of conversations have."""


def make_talks(folder, **changes):
    """Run conversations; keyword arguments are settings, with ``__`` for a dot."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return run(load_scenario("conversation", SMALL | named), folder)


class Chatty(Popularity):
    """Recommends what is popular in words of its own, by title."""

    reads_text = True

    def fit(self, catalog, ratings, seed):
        super().fit(catalog, ratings, seed)
        self.catalog = catalog

    def start(self, requests):
        """Do nothing."""

    def respond(self, dialogues, k):
        from recsim_llm.conversation.acts import RECOMMEND, silent_acts

        acts = silent_acts(len(dialogues.turn), k)
        items = self.recommend(dialogues.requests, k).item_id
        titles = self.catalog.title[self.catalog.index_of(items[:, 0])]
        return acts._replace(
            act=acts.act * 0 + RECOMMEND, item_id=items, text=[f"You, {title}\tand I: perfect." for title in titles]
        )
