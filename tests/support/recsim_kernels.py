"""RecSim's worlds, and kernels in which users browse there."""

from __future__ import annotations

import numpy as np

from recsim_llm.agents.recsim.recsim_worlds import interest_evolution_world, long_term_world
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel

BUILDERS = {"recsim-lts": long_term_world, "recsim-interest-evolution": interest_evolution_world}


def build_world(name, **parameters):
    """Return a world by its name."""
    return BUILDERS[name](name, seed=7, parameters=parameters)


def begin_visits(world, users, *, slots, seed=5):
    """Return a kernel in which the first users of a world begin a visit each."""
    who = np.arange(users)
    kernel = Kernel(users=world.users, user_id=world.population.user_id, rows=users, slate_size=slots, max_pages=1000)
    kernel.begin(ALL_ROWS, who, np.zeros_like(who), kernel.dice(who, np.zeros_like(who), seed_words(seed)))
    return kernel
