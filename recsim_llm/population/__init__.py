"""Who the users are: personas measured on ratings or drawn from a fitted distribution, populations, worlds.

What is named here is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.population.choosing import UserSource, choose_users, measured_users
    from recsim_llm.population.friendship_draws import draw_friendships
    from recsim_llm.population.friendships import Friendships, from_user_ids
    from recsim_llm.population.from_ratings import population_from_ratings
    from recsim_llm.population.persona_text import render_persona
    from recsim_llm.population.personas import TRAITS, Population, Trait
    from recsim_llm.population.population_files import read_population, write_population
    from recsim_llm.population.synthetic import JointDistribution, fit_joint_distribution
    from recsim_llm.population.taste_families import TASTE_FAMILIES, draw_families
    from recsim_llm.population.world import World

__all__ = [
    "TASTE_FAMILIES",
    "TRAITS",
    "Friendships",
    "JointDistribution",
    "Population",
    "Trait",
    "UserSource",
    "World",
    "choose_users",
    "draw_families",
    "draw_friendships",
    "fit_joint_distribution",
    "from_user_ids",
    "measured_users",
    "population_from_ratings",
    "read_population",
    "render_persona",
    "write_population",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "TASTE_FAMILIES": "taste_families",
        "TRAITS": "personas",
        "Friendships": "friendships",
        "JointDistribution": "synthetic",
        "Population": "personas",
        "Trait": "personas",
        "UserSource": "choosing",
        "World": "world",
        "choose_users": "choosing",
        "draw_families": "taste_families",
        "draw_friendships": "friendship_draws",
        "fit_joint_distribution": "synthetic",
        "from_user_ids": "friendships",
        "measured_users": "choosing",
        "population_from_ratings": "from_ratings",
        "read_population": "population_files",
        "render_persona": "persona_text",
        "write_population": "population_files",
    },
)
