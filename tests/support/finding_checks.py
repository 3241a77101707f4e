"""What shipped scenarios find, for the tests of their expectations."""

from recsim_llm.comparison.findings import measure_findings
from recsim_llm.scenarios import load_scenario, run


def answers(name, folder, changes):
    """Play a scenario with changes, and return its answers by finding."""
    folder = run(load_scenario(name, changes), folder)
    return {finding.name: finding.answer for finding in measure_findings(folder).findings}


def check_expectation(name, seeds, opposites):
    """Assert that none of the tests' seeds may judge a scenario, and that each of its findings has an opposite that refutes it.

    Args:
        name: of the scenario.
        seeds: with which tests play it.
        opposites: what was switched off to (scenario, changes, findings that then fail).
    """
    expected = load_scenario(name).expect
    assert all(len(finding.seeds) >= 3 and not set(finding.seeds) & set(seeds) for finding in expected)
    refuted = [findings for of, _, findings in opposites.values() if of == name]
    assert set().union(*refuted) == {finding.name for finding in expected}
