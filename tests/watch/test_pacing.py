"""The pace: nothing is played before somebody says so, one step is one, and what goes wrong is told and ends nothing else."""

from contextlib import contextmanager

import pytest
from patience import PATIENCE
from watched_runs import CLOCK, log_of, play, watched

from recsim_llm.errors import ConfigError
from recsim_llm.log.reader import open_run
from recsim_llm.scenarios import resume
from recsim_llm.watch.pacing import Pacer


class Breaking:
    """A recommender that crashes on its third batch of pages."""

    def __init__(self):
        self.pages = 0

    def fit(self, catalog, ratings, seed):
        self.items = catalog.item_id

    def recommend(self, requests, k):
        from recsim_llm.recommenders import deterministic

        self.pages += 1
        if self.pages > 2:
            raise ZeroDivisionError("nothing left")
        first = self.pages * k
        return deterministic(self.items[first : first + k][None].repeat(len(requests.user_id), axis=0))

    def observe(self, requests, slates, clicked, rating):
        pass


@contextmanager
def paced(out=None, told=lambda _: None, **changes):
    with watched(out, **changes) as run:
        pacer = Pacer(run, told)
        try:
            yield run, pacer
        finally:
            pacer.close()


def test_a_step_is_one_and_pausing_rests():
    with paced(**CLOCK) as (run, pacer):
        assert (pacer.state, run.steps) == ("paused", 0)
        pacer.step()
        assert pacer.wait(PATIENCE)
        assert (pacer.state, run.steps) == ("paused", 1)
        # A step in a thousand seconds: it goes on, and rests before the next.
        pacer.pace(0.001)
        pacer.play()
        assert (pacer.state, run.steps) == ("playing", 1)
        pacer.pause()
        assert pacer.wait(PATIENCE)
        assert run.steps == 1
        pacer.pace(0)
        pacer.play()
        assert pacer.wait(PATIENCE)
        assert (pacer.state, run.steps, pacer.snapshot()["finished"]) == ("finished", 5, True)


def test_whatever_happens_is_something_new_to_see():
    with paced(**CLOCK) as (_, pacer):
        before = pacer.version
        pacer.step()
        assert pacer.wait(PATIENCE)
        stepped = pacer.version
        pacer.pace(3)
        assert before < stepped < pacer.version == pacer.snapshot()["version"]


@pytest.mark.parametrize("speed", [-1, 1001, True, "fast", None, float("nan")])
def test_speeds_that_are_none_are_refused(speed):
    with paced() as (_, pacer), pytest.raises(ConfigError, match="expected 0 to 1000 steps a second"):
        pacer.pace(speed)


def test_a_plug_in_that_breaks_ends_the_run_and_what_was_done_is_kept(tmp_path):
    told = []
    arms = ["random", {"name": "breaking", "recommender": f"{__name__}:Breaking"}]
    with paced(tmp_path / "run", told.append, recommenders=arms, repeats="allow") as (_, pacer):
        pacer.play()
        assert pacer.wait(PATIENCE)
        assert pacer.state == "failed"
        state = pacer.snapshot()
        assert state["error"].startswith("recommender 'breaking', recommend in visit 0: got ZeroDivisionError: nothing left")
        assert [str(error) for error in told] == [state["error"]]
        pacer.play()
        pacer.step()
        assert pacer.state == "failed"
    assert open_run(tmp_path / "run").begun_arms == ("random", "breaking")


def test_closing_in_the_middle_leaves_a_run_to_go_on_with(tmp_path):
    with paced(tmp_path / "run", **CLOCK) as (_, pacer):
        pacer.step()
        assert pacer.wait(PATIENCE)
        pacer.play()
    resume(tmp_path / "run")
    with watched(tmp_path / "whole", **CLOCK) as other:
        play(other)
    assert log_of(tmp_path / "run") == log_of(tmp_path / "whole")
