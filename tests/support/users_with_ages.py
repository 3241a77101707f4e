"""Choice users whose ages are known: the data that the project makes say nothing about users."""

from dataclasses import replace

import numpy as np

from recsim_llm.agents.worlds import choice_world


def world(data, population=None, *, seed, parameters=None, fitted=None):
    """Return a world in which two users of three have an age."""
    built = choice_world(data, population, seed=seed, parameters=parameters, fitted=fitted)
    ages = np.array([("18-24", "25-34", "")[user % 3] for user in built.population.user_id.tolist()], object)
    return choice_world(
        data, replace(built.population, demographics={"age": ages}), seed=seed, parameters=parameters, fitted=fitted
    )
