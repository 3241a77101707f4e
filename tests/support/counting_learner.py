"""A learner that plugs in: it shows items at random, counts clicks, and recommends what was clicked most."""

import numpy as np

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.training.learners import Choice
from recsim_llm.training.network_files import read_weights, write_weights


class Counted:
    def __init__(self, clicks, slots):
        self._clicks, self._slots = clicks, slots

    def act(self, observation, word=None):
        rows = len(observation["page"])
        order = np.argsort(-self._clicks, kind="stable")[: self._slots]
        scores = np.tile(np.log1p(self._clicks).astype(np.float32), (rows, self._slots, 1))
        return Choice(np.tile(order, (rows, 1)), scores=scores, chance=True)

    def save(self, folder):
        write_weights(folder, {"clicks": self._clicks})


class Counting:
    """Counts clicks."""

    actions, observation = ("slate",), ("page",)

    class Settings(FrozenSettings):
        forget: float = 1.0

    def __init__(self, env, settings, *, gamma, steps, seed):
        self._env, self._settings = env, settings
        space = env.unwrapped.single_action_space
        self._clicks, self._slots, self._items = np.zeros(int(space.nvec[0])), len(space.nvec), int(space.nvec[0])

    @classmethod
    def read_settings(cls, values, source):
        return cls.Settings.read(values, source)

    def learn(self, steps, *, seed):
        random = np.random.default_rng(seed)
        self._env.reset(seed=seed)
        for _ in range(-(-steps // self._env.num_envs)):
            action = random.permuted(np.tile(np.arange(self._items), (self._env.num_envs, 1)), axis=1)[:, : self._slots]
            self._env.step(action)
            clicked = self._env.unwrapped.feedback.clicked
            self._clicks = self._clicks * self._settings.forget + np.bincount(action[clicked], minlength=self._items)

    def save(self, folder):
        write_weights(folder, {"clicks": self._clicks})

    def load(self, folder):
        self._clicks = read_weights(folder)["clicks"]

    def policy(self):
        return Counted(self._clicks.copy(), self._slots)

    @classmethod
    def read_policy(cls, folder, world):
        return Counted(read_weights(folder)["clicks"], world.slate_size)


class Crashing(Counting):
    """Fails while it learns."""

    def learn(self, steps, *, seed):
        raise ZeroDivisionError("no idea")


class Idle(Counting):
    """Shows nobody anything."""

    def learn(self, steps, *, seed):
        pass


def answering(answer):
    """Return a learner whose policy answers so, given the number of rows."""

    class Policy(Counted):
        def act(self, observation, word=None):
            return answer(len(observation["page"]))

    class Learner(Counting):
        def policy(self):
            return Policy(self._clicks, self._slots)

    return Learner


TooFew = answering(lambda rows: Choice(np.zeros((rows, 3), np.int64)))
Unknown = answering(lambda rows: Choice(np.full((rows, 5), 1_000_000)))
Bare = answering(lambda rows: np.zeros((rows, 5), np.int64))
Scoring = answering(lambda rows: Choice(np.zeros((rows, 5), np.int64), scores=np.zeros((rows, 5, 7), np.float32)))


class Deaf:
    """Lacks what it observes."""

    actions = ("slate",)
    learn = save = load = policy = read_policy = read_settings = None
