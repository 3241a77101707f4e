"""Arms that were trained before the run: what the scenario may ask of them."""

from __future__ import annotations

from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import Recommender, TrainedBefore
from recsim_llm.scenarios.arm_settings import Arm
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.train_settings import HOLDOUT

__all__ = ["check_trained_arm"]


def check_trained_arm(scenario: Scenario, arm: Arm, recommender: Recommender) -> None:
    """Refuse what a recommender that was trained before the run cannot do.

    Args:
        scenario: whose arm it is.
        arm: the arm.
        recommender: that the arm names.

    Raises:
        ConfigError: it is to be fitted anew, or held-out users are asked for of whom its training met some.
    """
    if not isinstance(recommender, TrainedBefore):
        return
    if arm.retrain is not None:
        raise ConfigError(
            f"recommender {arm.name!r}, retrain: got {arm.retrain!r} for one that was trained before the run and learns "
            "nothing from its clicks, expected nothing; leave retrain out"
        )
    share, met_by_nobody = HOLDOUT if scenario.train is None else scenario.train.holdout, recommender.holdout
    # The users that a smaller share keeps are among those that a larger one keeps.
    if scenario.users.part == "held_out" and met_by_nobody is not None and share > met_by_nobody:
        raise ConfigError(
            f"recommender {arm.name!r}: got users.part 'held_out' with train.holdout {share}, expected at most "
            f"{met_by_nobody}, the share of the users that its training never met; pass --set train.holdout={met_by_nobody}"
        )
