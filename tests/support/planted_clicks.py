"""Click models with known parameters, and pages that they clicked."""

import numpy as np

from recsim_llm.agents.browsing.chain_models import ChainModel
from recsim_llm.agents.browsing.clicked_pages import ClickedPages
from recsim_llm.agents.browsing.examination_models import ExaminationModel
from recsim_llm.agents.browsing.item_chances import ItemChances

CONTINUATION = 0.85


def chances(values):
    """Return chances by item, whose ids are 0, 1, and so on."""
    values = np.asarray(values, float)
    return ItemChances(item_id=np.arange(len(values)), chance=values, views=np.ones(len(values)), usual=float(values.mean()))


def planted(name, *, items=12, positions=10, attraction=None, satisfaction=None):
    """Return a model of the name with parameters that one can learn."""
    attraction = np.linspace(0.25, 0.7, items) if attraction is None else attraction
    satisfaction = np.linspace(0.65, 0.3, items) if satisfaction is None else satisfaction
    common = {
        "name": name,
        "attraction": chances(attraction),
        "slate_size": positions,
        "pages": 0,
        "steps": 0,
        "settled": True,
    }
    rank, last = np.arange(positions)[:, None], np.arange(positions + 1)[None]
    if name == "position-based":
        return ExaminationModel(examination=np.where(last <= rank, 1.0 / (1.0 + 0.2 * rank), np.nan), **common)
    if name == "user-browsing":
        table = np.where(last == 0, 0.9**rank, 0.9 ** (rank - last))
        return ExaminationModel(examination=np.where(last <= rank, table, np.nan), **common)
    kinds = {"cascade": np.ones(items), "dependent-click": np.linspace(0.3, 0.6, positions)}
    go = CONTINUATION if name == "dbn" else 1.0
    return ChainModel(satisfaction=chances(kinds.get(name, satisfaction)), continuation=go, **common)


def random_items(pages, *, items=12, positions=10, seed=1):
    """Return items in random order, int64 [pages, positions]."""
    random = np.random.default_rng(seed)
    return random.permuted(np.tile(np.arange(items), (pages, 1)), axis=1)[:, :positions]


def clicked_by(model, item_id, *, seed=1, pages_a_user=1):
    """Return the pages with the model's clicks."""
    users = np.arange(len(item_id)) // pages_a_user
    return ClickedPages(item_id=item_id, clicked=model.simulate(item_id, seed), user_id=users)


def as_pages(item_id, clicked, user_id=None):
    """Return pages from lists."""
    item_id, clicked = np.asarray(item_id), np.asarray(clicked, bool)
    return ClickedPages(item_id=item_id, clicked=clicked, user_id=np.arange(len(item_id)) if user_id is None else user_id)
