"""From what the command line says to an audit: the data, the model or the fitted users, and what was found as plain values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from recsim_llm.agents.audits.audit_kinds import AUDITS, AuditKind
from recsim_llm.agents.audits.policy_audits import POLICY_AUDITS
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.prompt_budget import usual_tokens
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import open_dataset
from recsim_llm.data.reading_notes import reading_record
from recsim_llm.errors import ConfigError, RunExistsError
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.providers import Roles
from recsim_llm.log.locks import lock_folder
from recsim_llm.recommenders.base import Recommender
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.recommenders.hooks import AsksModel, Truth, give_hooks
from recsim_llm.report.audit_page import AUDIT_FILE
from recsim_llm.scenarios.estimates import ANSWER_TOKENS, Confirm, CostEstimate
from recsim_llm.scenarios.exploits.exploit_audit import EXPLOITS
from recsim_llm.scenarios.poisoning.poisoning_audit import POISONING
from recsim_llm.scenarios.study_requests import StudyRequest, limits_of, made_facts, most_cost

__all__ = ["EVERY_AUDIT", "AuditRequest", "make_audit"]

EVERY_AUDIT: Mapping[str, AuditKind] = MappingProxyType(
    {**AUDITS, **POLICY_AUDITS, "exploits": EXPLOITS, "poisoning": POISONING}
)
"""What ``recsim-llm audit`` can run, by name."""

_TEXT_TOKENS = 160


@dataclass(frozen=True, kw_only=True)
class AuditRequest(StudyRequest):
    """What is to be audited."""

    audit: str
    """Name of the audit, one of ``EVERY_AUDIT``."""
    seed: int
    """Of users, items and their order."""
    users: Literal["language", "choice", "cascade"] = "language"
    """``language``: users whom a model plays; ``choice``: fitted users, where the audit allows; ``cascade``: both, likewise."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the recommender or language ranker that is audited, where one is; those not given keep their defaults."""
    recommender: str | None = None
    """Recommender that is audited, where the audit is of any: as for ``open_recommender``."""
    n_users: int | None = None
    """Most users; None takes the audit's own number."""

    def settings(self) -> list[str]:
        """Return how model, users and policy are asked, ``KEY=VALUE`` each, as ``--set`` takes them."""
        return [*super().settings(), *(f"policy.{name}={json.dumps(value)}" for name, value in self.policy.items())]


def make_audit(
    request: AuditRequest,
    out: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
    confirm: Confirm = lambda _: None,
) -> dict[str, Any]:
    """Run an audit and return what was found as plain values; nothing but the calls of a language model is written.

    Args:
        request: what to audit.
        out: folder that the audit will be written to; an audit there is not overwritten. What a language model answered is kept
            in it, so that an audit that was stopped goes on where it was when the same command is given again.
        progress: told what is being done.
        confirm: told what a language model will be asked before anything is; may raise to call it off.

    Raises:
        RunExistsError: there is an audit in the folder, or another process is writing one (``FolderInUseError``).
        ConfigError: there is no audit of that name, or options do not go together.
        DataError: the data cannot be used.
        BudgetExceeded: a limit was reached.
    """
    with lock_folder(out, "audit"):
        if (out / AUDIT_FILE).exists():
            raise RunExistsError(
                f"audit: got {out}, which holds {AUDIT_FILE}, expected a folder without an audit; pass another --out"
            )
        kind = _check(request)
        progress("loading the data")
        dataset = open_dataset(request.data, **request.tables.model_dump())
        usual = kind.choice_users if request.users == "choice" else None
        users = request.n_users or usual or kind.users
        counted = f"{users:,} {'user' if users == 1 else 'users'}"
        if request.model is None:
            progress(f"{request.audit}: fitting and asking {counted}")
            if kind.recommender is not None and request.recommender is not None:
                return _content(request, dataset, kind, _of_recommender(request, kind, dataset, users, roles=None))
            assert kind.choice is not None
            return _content(request, dataset, kind, kind.choice(dataset, request.seed, users))
        kind.check(dataset)
        models = {"user": request.model, "policy": request.model}
        with Roles(models, calls=out / FILE_NAME, cache=request.cache, limits=limits_of(request.limits)) as roles:
            confirm(_estimate(kind, users, roles, request.model))
            progress(f"{request.audit}: asking about {counted}")
            if kind.recommender is not None and request.recommender is not None:
                return _content(request, dataset, kind, _of_recommender(request, kind, dataset, users, roles=roles))
            run = kind.run if request.users == "language" else kind.cascade
            assert run is not None
            asked = {"parameters": LanguageParameters.from_settings(request.parameters)} if request.parameters else {}
            ranked = {"policy": request.policy} if request.policy else {}
            return _content(request, dataset, kind, run(roles, dataset, request.seed, users, **asked, **ranked))


def _of_recommender(request: AuditRequest, kind: AuditKind, dataset: Dataset, users: int, *, roles: Roles | None) -> Any:
    """Audit the recommender that is named, with the data's own ids and a language model where it asks for them."""
    assert request.recommender is not None
    assert kind.recommender is not None
    name, settings = request.recommender, request.policy
    got = f"audit {request.audit}: got {name!r}, which"

    def no_truth() -> Truth:
        raise ConfigError(f"{got} knows the hidden side of a world, expected a recommender that learns from ratings")

    def model() -> LanguageModel:
        if roles is None:
            raise ConfigError(f"{got} asks a language model, expected --model provider/name with it")
        return roles.role("policy")

    def make() -> Recommender:
        made = open_recommender(name, settings)
        give_hooks(made, repeats="forbid", truth=no_truth, model=model, user_keys=dataset.user_keys)
        return made

    if roles is not None and not isinstance(make(), AsksModel):
        raise ConfigError(f"{got} asks no language model, expected no --model; leave it out")
    return kind.recommender(make, dataset, request.seed, users)


def _facts(request: AuditRequest, licence: str) -> dict[str, str]:
    """Return how an audit was made, for the page."""
    verb = ["audit", request.audit, "--data", request.data]
    verb += ["--users", request.users] if request.recommender is None else []
    options = {"--recommender": request.recommender, "--n-users": request.n_users, "--seed": request.seed}
    return made_facts(verb, options, request, licence=licence)


def _content(request: AuditRequest, dataset: Dataset, kind: AuditKind, finding: Any) -> dict[str, Any]:
    rows = kind.rows(finding, dataset.feedback == "explicit")
    played = kind.choice_name if request.model is None else request.model.name
    played = played if request.recommender is None else request.recommender
    return {
        "audit": request.audit,
        "question": kind.question,
        "played_by": played,
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "seed": request.seed,
        "users": finding.users,
        "asks": finding.asks,
        "rows": [row.to_record() for row in rows],
        "finding": finding.to_json(),
        "reading": reading_record(dataset),
        "made": _facts(request, dataset.licence),
    }


def _check(request: AuditRequest) -> AuditKind:
    if request.audit not in EVERY_AUDIT:
        known = ", ".join(EVERY_AUDIT)
        raise ConfigError(f"audit: got {request.audit!r}, expected one of {known}; see `recsim-llm audit --help`")
    kind = EVERY_AUDIT[request.audit]
    if request.n_users is not None and request.n_users < 1:
        raise ConfigError(
            f"--n-users: got {request.n_users}, expected 1 or more; give another, or leave it out for the audit's own number"
        )
    _refuse_overlooked(request, kind.heeds if request.users == "language" else ())
    if request.policy and not kind.of_policy and kind.recommender is None:
        name = next(iter(request.policy))
        got = f"--set policy.{name}: got a setting that audit {request.audit} would overlook"
        raise ConfigError(f"{got}, expected none; leave it out")
    _check_recommender(request, kind)
    if request.users == "choice":
        if kind.choice is None:
            able = ", ".join(name for name, one in EVERY_AUDIT.items() if one.choice is not None)
            raise ConfigError(
                f"audit {request.audit}: got choice users, who read no prompt, expected --users language; choice users can "
                f"have {able}"
            )
        if request.model is not None:
            raise ConfigError(f"audit: got choice users and model {request.model.name}, expected --users language with a model")
    elif request.users == "cascade" and kind.cascade is None:
        got = f"audit {request.audit}: got cascade users"
        raise ConfigError(f"{got}, expected --users language; cascade users can have exploits")
    elif request.model is None and request.recommender is None:
        raise ConfigError("audit: got no model, expected --model provider/name, for instance scripted/genres")
    return kind


def _check_recommender(request: AuditRequest, kind: AuditKind) -> None:
    """See to it that a recommender is named where one is audited, and nowhere else."""
    got = f"audit {request.audit}: got"
    if kind.recommender is None and request.recommender is not None:
        able = ", ".join(name for name, one in EVERY_AUDIT.items() if one.recommender is not None)
        raise ConfigError(f"{got} --recommender {request.recommender}, expected none; it goes with {able}")
    if kind.recommender is not None and request.recommender is None and not kind.of_policy:
        raise ConfigError(f"{got} no recommender, expected --recommender NAME, for instance item-knn; see `recsim-llm list`")
    if request.recommender is not None and request.users != "language":
        raise ConfigError(f"{got} --users {request.users}, expected no users, since a recommender is audited; leave it out")


def _refuse_overlooked(request: AuditRequest, heeded: Sequence[str]) -> None:
    """Refuse parameters that would change nothing in this audit, and values that no run takes."""
    overlooked = [name for name in request.parameters if name not in heeded]
    if overlooked:
        known = " or ".join(f"users.parameters.{name}" for name in heeded) or "none of users.parameters"
        got = f"--set users.parameters.{overlooked[0]}: got a setting that audit {request.audit} of {request.users} users"
        raise ConfigError(f"{got} would overlook, expected {known}; leave it out")
    LanguageParameters.from_settings(request.parameters)


def _estimate(kind: AuditKind, users: int, roles: Roles, given: ModelSettings) -> CostEstimate:
    """Return the most that the audit can ask of its model."""
    model, texts = roles.role("user"), users * kind.texts
    questions = kind.questions or 2 * kind.page_size + 2
    asks = users * kind.asks * model.most_calls(questions)
    read = (asks + texts) * usual_tokens(kind.page_size)
    answers = users * kind.asks * model.most_calls(1) * questions
    written = answers * ANSWER_TOKENS[model.elicitation] + texts * _TEXT_TOKENS
    return most_cost(model, given, calls=asks + texts, tokens=TokenUsage(prompt=read, completion=written))
