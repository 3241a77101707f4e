"""A living world as a Mesa model: Mesa's habits work, and the log is that of the run."""

import multiprocessing
import subprocess
import sys
import warnings

import numpy as np
import pytest
from living import EVERYTHING, living

from recsim_llm.comparison import summarise
from recsim_llm.errors import ConfigError, ContractError, LogError
from recsim_llm.log.manifest import read_manifest
from recsim_llm.scenarios import resume, run

mesa = pytest.importorskip("mesa")
before = multiprocessing.get_start_method(allow_none=True)
from recsim_llm.envs.world import LivingWorld, User  # noqa: E402

# Mesa 3.3 sets the start method of the whole process; other tests choose theirs.
multiprocessing.set_start_method(before, force=True)


def played(**settings):
    world = LivingWorld(living(recommenders=["mf"]), **settings)
    world.run_model()
    return world


def log_bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("*/*.parquet") if path.is_file()}


def test_the_log_has_the_bytes_of_the_run(tmp_path):
    scenario = living(recommenders=["mf"], interventions=EVERYTHING, intents="usual", social={"friends": {"degree": 4}})
    run(scenario, tmp_path / "run")
    world = LivingWorld(scenario, log=tmp_path / "mesa")
    world.run_model()
    world.close()
    assert (tmp_path / "mesa/segments.jsonl").read_bytes() == (tmp_path / "run/segments.jsonl").read_bytes()
    assert (tmp_path / "mesa/manifest.json").read_bytes() == (tmp_path / "run/manifest.json").read_bytes()
    assert log_bytes(tmp_path / "mesa") == {
        path: content for path, content in log_bytes(tmp_path / "run").items() if path.parts[0] != "figures"
    }


def test_a_world_that_stops_in_between_is_finished_by_resume(tmp_path):
    scenario = living(recommenders=["mf"])
    world = LivingWorld(scenario, log=tmp_path / "mesa")
    for _ in range(3):
        world.step()
    world.close()
    resume(tmp_path / "mesa")
    run(scenario, tmp_path / "run")
    assert (tmp_path / "mesa/segments.jsonl").read_bytes() == (tmp_path / "run/segments.jsonl").read_bytes()


def test_series_come_as_a_data_frame_with_own_reporters():
    world = played(model_reporters={"most_clicks": lambda model: int(model.clicks.max())})
    series = world.datacollector.get_model_vars_dataframe()
    assert len(series) == 6
    assert series["day"].tolist() == list(range(6))
    assert series["visits"].sum() == world.visits.sum()
    assert series["most_clicks"].is_monotonic_increasing
    assert (series["clicks_a_page"] * series["pages"]).sum() == pytest.approx(world.clicks.sum())


def test_agents_are_views_of_the_columns():
    world = played()
    users = world.agents_by_type[User]
    assert users.agg("clicks", sum) == world.clicks.sum()
    often = users.select(lambda user: user.visits >= 3)
    assert {user.row for user in often} == set(np.flatnonzero(world.visits >= 3).tolist())
    assert [user.persona.user_id for user in users] == world.population.user_id.tolist()
    gone = users.select(lambda user: user.gone)
    assert all(user.next_visit == float("inf") for user in gone)
    assert 0 < len(gone) < 60


def test_agent_reporters_tell_of_every_user():
    frame = played(agent_reporters={"pages": "pages"}).datacollector.get_agent_vars_dataframe()
    assert len(frame) == 6 * 60


class Crier(mesa.Agent):
    """Calls everybody back every day."""

    def step(self):
        self.model.come_now(np.arange(len(self.model.population)))


def test_own_agents_act_before_users_visit(tmp_path):
    world = LivingWorld(living(recommenders=["mf"]), log=tmp_path / "mesa")
    Crier.create_agents(world, 1)
    world.run_model()
    world.close()
    assert (world.visits == 6).all()
    manifest = read_manifest(tmp_path / "mesa")
    assert [(one["step"], one["when"], one["said"]) for one in manifest["by_hand"]] == [
        (0, "day 0", "agents act: Crier"),
        (0, "day 0", "users are called to come now"),
    ]
    assert summarise(tmp_path / "mesa").warnings == (
        "changed by hand: day 0: agents act: Crier; day 0: users are called to come now",
    )


def test_who_takes_hold_of_the_session_has_a_hand_in_the_run(tmp_path):
    world = LivingWorld(living(recommenders=["mf"]), log=tmp_path / "mesa")
    world.step()
    assert "by_hand" not in read_manifest(tmp_path / "mesa")
    world.session.influence.leaving[:] += 1
    world.close()
    (said,) = read_manifest(tmp_path / "mesa")["by_hand"]
    assert (said["when"], said["said"]) == ("day 1", "its session is in a program's hands")


class Shy(LivingWorld):
    """Only half of those who are due come."""

    def active(self, moment):
        return super().active(moment)[::2]


def test_a_subclass_decides_who_is_active_and_nobody_goes_on_with_its_run(tmp_path):
    world = Shy(living(recommenders=["mf"]), log=tmp_path / "mesa")
    world.step()
    world.close()
    assert 0 < world.now["visits"] < played().datacollector.get_model_vars_dataframe()["visits"][0]
    with pytest.raises(LogError, match="changed by hand and is not finished"):
        resume(tmp_path / "mesa")


class Twice(LivingWorld):
    """Names a user twice."""

    def active(self, moment):
        return np.array([3, 3])


def test_a_user_comes_at_most_once_a_step():
    with pytest.raises(ContractError, match="twice"):
        Twice(living()).step()


def test_when_time_is_over_it_is_over():
    world = played()
    assert not world.running
    with pytest.raises(ContractError, match="after the last of 6"):
        world.step()


def test_what_cannot_be_played_is_refused():
    with pytest.raises(ConfigError, match="without a clock"):
        LivingWorld("small")
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        LivingWorld(living(), "randon")


def test_seeds_are_told_apart():
    one, same, other = (LivingWorld(living(), seed=seed) for seed in (5, 5, 6))
    for world in (one, same, other):
        world.step()
    assert one.now == same.now != other.now


def test_an_environment_refuses_a_clock():
    import gymnasium

    with pytest.raises(ConfigError, match="with a clock"):
        gymnasium.make("RecSimLLM/Browse-v0", scenario=living())


def test_nothing_but_the_model_imports_mesa():
    script = "import sys, recsim_llm.envs, recsim_llm.scenarios.clock_session; sys.exit('mesa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_mesa_has_nothing_to_complain_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played(agent_reporters={"clicks": "clicks"})
