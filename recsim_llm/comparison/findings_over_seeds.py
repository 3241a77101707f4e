"""Whether runs of several seeds show what their scenario expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.comparison.findings import Answer, Finding, Measured
from recsim_llm.statistics import Estimate, mean_estimate

__all__ = ["JudgedSeeds", "SeedsFinding", "judge_over_seeds"]


@dataclass(frozen=True, kw_only=True)
class SeedsFinding:
    """A finding, judged by all of its seeds."""

    name: str
    """As the scenario calls it."""
    claim: str
    """What is expected, in words."""
    answer: Answer
    """``holds`` where it holds by every seed, ``does not hold`` where by one it does not, else ``not decided``."""
    by_seed: dict[int, Finding]
    """What each of its seeds says."""
    mean: Estimate
    """Mean of the seeds' numbers, with a 95% interval over seeds; the answer does not hang on it. ``users`` counts seeds."""


@dataclass(frozen=True, kw_only=True)
class JudgedSeeds:
    """What ``judge_over_seeds`` returns; ``expectations.json`` holds it."""

    scenario: str
    """Name of the scenario."""
    findings: tuple[SeedsFinding, ...]
    """In the order of the scenario."""

    @property
    def all_hold(self) -> bool:
        """Whether every finding holds."""
        return all(finding.answer == "holds" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; keys are stable."""
        return asdict(self)


def judge_over_seeds(scenario: str, measured: Mapping[int, Measured]) -> JudgedSeeds:
    """Judge every finding by those of its seeds that were run.

    A finding is a claim about the scenario and not about a lucky draw, so every seed must bear it out: that is stricter than a
    mean over seeds, whose interval cannot see that one of them says the opposite.

    Args:
        scenario: its name.
        measured: what each seed's run came to.
    """
    findings = []
    first = next(iter(measured.values()))
    for place, finding in enumerate(first.findings):
        by_seed = {seed: found.findings[place] for seed, found in measured.items() if seed in finding.seeds}
        values = [one.contrast.estimate.value for one in by_seed.values()]
        known = np.array([value for value in values if value is not None], np.float64)
        findings.append(
            SeedsFinding(
                name=finding.name,
                claim=finding.claim,
                answer=_together([one.answer for one in by_seed.values()]),
                by_seed=by_seed,
                mean=mean_estimate(known),
            )
        )
    return JudgedSeeds(scenario=scenario, findings=tuple(findings))


def _together(answers: list[Answer]) -> Answer:
    if "does not hold" in answers:
        return "does not hold"
    return "holds" if answers and all(answer == "holds" for answer in answers) else "not decided"
