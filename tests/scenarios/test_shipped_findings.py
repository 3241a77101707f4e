"""What shipped scenarios expect: it holds on a seed that chose nothing, and does not in a planted world without the effect."""

import pytest
from finding_checks import answers
from planted_worlds import JUDGED, PLANTED, SEED

from recsim_llm.scenarios import load_scenario, shipped_scenarios


def test_every_finding_has_seeds_of_its_own_and_a_world_in_which_it_must_fail():
    findings = {(name, finding.name): finding.seeds for name in shipped_scenarios() for finding in load_scenario(name).expect}
    assert {name for name, _ in findings} == set(JUDGED)
    assert {(world.scenario, name) for world in PLANTED.values() for name in world.refuted} == set(findings)
    assert all(len(seeds) >= 3 for seeds in findings.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGED)
def test_what_is_expected_holds_on_a_seed_that_chose_nothing(name, tmp_path):
    found = answers(name, tmp_path / "run", {"seed": SEED} | JUDGED[name])
    assert set(found.values()) == {"holds"}, found


@pytest.mark.slow
@pytest.mark.parametrize("missing", PLANTED)
def test_where_the_effect_is_missing_the_finding_fails(missing, tmp_path):
    world = PLANTED[missing]
    found = answers(world.scenario, tmp_path / "run", {"seed": SEED} | JUDGED[world.scenario] | world.changes)
    may = {"does not hold", "not decided"} if world.open else {"does not hold"}
    assert {found[finding] for finding in world.refuted} <= may, found
