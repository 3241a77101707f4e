"""What shipped scenarios find, for the tests of their expectations."""

from recsim_llm.comparison.findings import measure_findings
from recsim_llm.scenarios import load_scenario, run


def answers(name, folder, changes):
    """Play a scenario with changes, and return its answers by finding."""
    folder = run(load_scenario(name, changes), folder)
    return {finding.name: finding.answer for finding in measure_findings(folder).findings}
