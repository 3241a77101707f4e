"""Conversations on the invented small world: scripted policies, and a loop that plays them without a run."""

import numpy as np

from recsim_llm.conversation.acts import ASK, RECOMMEND, Said, silent_acts
from recsim_llm.conversation.attributes import Attributes, find_attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.conversation.dialogue_loop import Conversations
from recsim_llm.conversation.dialogue_outcomes import Outcomes
from recsim_llm.conversation.goals import read_tastes
from recsim_llm.conversation.taste_users import TasteUsers
from recsim_llm.core.dice import seed_words
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import KnownItems

ATTRIBUTES = Attributes(
    names=("genre", "decade"),
    value_names=("Drama", "War", "1990s", "2000s"),
    attribute=np.array([0, 0, 1, 1]),
    members=np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0]], np.bool_),
)


def said(*turns):
    """Said of one dialogue: (policy act, attribute, user act, value, critique) a turn."""
    columns = np.array(turns).T[:, None]
    act, attribute, user, value, critique = columns
    none = np.full(user.shape, -1)
    return Said(act, attribute, np.full((*user.shape, 2), -1), user, value, critique, none)


def one_rating(world):
    return Ratings(
        user_id=np.array([100]),
        item_id=world.catalog.item_id[:1],
        rating=np.ones(1, np.float32),
        timestamp=np.zeros(1, np.int64),
    )


def converse(world, *, slots=3, users=None, repeats="allow", name="policy", **settings):
    """Return conversations with everyone of a world, none begun."""
    settings = ConversationSettings(**settings)
    attributes, count = find_attributes(world.catalog), len(world.population)
    return Conversations(
        world=world,
        tastes=read_tastes(world.users, np.arange(count), world, settings.pool),
        attributes=attributes,
        users=users or TasteUsers(attributes, settings),
        settings=settings,
        rows=count,
        slots=slots,
        known=KnownItems(world.catalog, rows=count, slate_size=slots, rated=None) if repeats == "forbid" else None,
        name=name,
    )


def begin(talks, seed=1, rows=None):
    """Let everyone sit down, or those of some rows, and open their dialogues; return the turn."""
    rows = np.arange(len(talks.state.stop)) if rows is None else np.asarray(rows)
    talks.begin(rows, rows, np.zeros(len(rows), np.int64), np.repeat(seed_words([seed]), len(rows)))
    return settle(talks, talks.open(rows))


def settle(talks, prepared):
    return talks.settle(prepared, talks.users.decide(prepared.heard))


def play(talks, policy, *, seed=1, rows=None):
    """Play dialogues to their end with ``policy(dialogues, talks, rows) -> acts``; return turns and outcomes."""
    turns, outcomes = [begin(talks, seed, rows)], Outcomes(len(talks.state.stop))
    rows = turns[0].prepared.rows
    outcomes.add(turns[0], talks)
    while rows.size:
        turn = settle(talks, talks.hear(rows, policy(talks.dialogues(rows), talks, rows)))
        outcomes.add(turn, talks)
        turns.append(turn)
        rows = rows[~turn.ended]
    return turns, outcomes


def recommend(item_index, talks):
    """Return acts that recommend catalog positions [d, k]."""
    index = np.asarray(item_index)
    ids = np.full((len(index), talks.slots), -1)
    ids[:, : index.shape[1]] = talks.catalog.item_id[index]
    acts = silent_acts(len(index), talks.slots)
    return acts._replace(act=np.full(len(index), RECOMMEND), item_id=ids)


def ask(attribute, count, talks):
    acts = silent_acts(count, talks.slots)
    return acts._replace(act=np.full(count, ASK), attribute=np.full(count, attribute))


def informed(dialogues, talks, rows):
    """A planted leak: it is told what users look for and shows it at once."""
    return recommend(talks.goal_item(rows)[:, None], talks)


def by_popularity(dialogues, talks, rows):
    """Shows what is popular, three items a turn."""
    order = np.argsort(-talks.catalog.popularity, kind="stable")
    place = (dialogues.turn[:, None] - 1) * 3 + np.arange(3)
    return recommend(order[place % len(order)], talks)
