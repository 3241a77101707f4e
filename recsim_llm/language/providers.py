"""From a name to a language model, and from a scenario's settings to the models of a run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from recsim_llm.errors import ConfigError, one_of
from recsim_llm.language.base.addresses import parse_address
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.settings import ROLES, LimitSettings, ModelSettings
from recsim_llm.language.base.wire import Abilities, Backend
from recsim_llm.language.calls.budget import Budget, Limits, Prices
from recsim_llm.language.calls.limiter import AdaptiveLimiter
from recsim_llm.language.calls.meter import Meter
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.calls.store import CallStore, read_paid
from recsim_llm.language.probing.probe import ProbeReport, load_probe, probe, probe_command, require, save_probe

if TYPE_CHECKING:
    from recsim_llm.language.backends.http_backend import HttpBackend

__all__ = ["PROVIDERS", "SERVERS", "Roles", "known_probe", "open_backend", "open_model", "probe_model", "total_meter"]

PROVIDERS = ("openai", "openai-compatible", "llamacpp", "transformers", "scripted", "replay")
"""What may stand before the slash of a model's name."""

_OPENAI_URL = "https://api.openai.com/v1"
_OPENAI_URL_VARIABLE = "OPENAI_BASE_URL"
_KEY_VARIABLES = {"openai": ("OPENAI_API_KEY",), "openai-compatible": ("RECSIM_LLM_API_KEY", "OPENAI_API_KEY")}
SERVERS = (*_KEY_VARIABLES, "llamacpp")
"""Providers whose models are servers, each with abilities of its own."""
_FIRST_SLOTS = 64
_LONG = 1800.0


def open_model(name: str, *, calls: Path | None = None, cache: Path | None = None, **settings: Any) -> LanguageModel:
    """Open one language model.

    Args:
        name: ``provider/model``, for instance ``scripted/genres`` or ``transformers/PATH``.
        calls: file in which every call is kept and answers are found again; None keeps them until the model is closed.
        cache: a run folder or calls file from which answers are taken before the model is asked.
        settings: the other fields of ``ModelSettings``.

    Raises:
        ConfigError: the provider is unknown, a setting is wrong, or the model cannot do what is asked of it.
    """
    return Roles({"user": ModelSettings(name=name, **settings)}, calls=calls, cache=cache).role("user")


def open_backend(settings: ModelSettings, role: str = "user") -> Backend:
    """Open the way to a model, with its abilities known: a server that was never probed is probed now.

    It is probed again where what is wanted of it was not looked for. A probe takes up to 150 short calls, which no limit of a
    run counts.

    Args:
        settings: which model, and where.
        role: what it is for; a replayed run may have used different models for different roles.

    Raises:
        ConfigError: the provider is unknown, an address or a key is missing, a local model cannot be loaded, or it was not
            found out whether a server does what is wanted of it.
    """
    provider, _, model = settings.name.partition("/")
    if provider not in PROVIDERS or not model:
        raise ConfigError(
            f"model: got {settings.name!r}, expected provider/name with one of {', '.join(PROVIDERS)}, "
            "for instance scripted/genres"
        )
    if provider not in _KEY_VARIABLES and settings.base_url is not None:
        expected = "expected one for openai and openai-compatible models only; leave it out"
        raise ConfigError(f"model {settings.name}: got a base URL, {expected}")
    if provider not in SERVERS:
        if provider != "transformers":
            _refuse_local(settings)
        return _LOCAL[provider](model, role, settings)
    _refuse_local(settings)
    backend = _server(settings, None)
    report = load_probe(backend.name, backend.base_url)
    if report is None or report.unknown(settings.realisation):
        report = probe_model(settings)
    if missed := report.unknown(settings.realisation):
        raise ConfigError(
            f"model {settings.name}: got realisation {settings.realisation}, of which the probe did not tell whether it "
            f"works ({missed}), expected one that does; try again when the server has less to do, or leave it to auto"
        )
    return backend.with_abilities(report.abilities)


def probe_model(settings: ModelSettings) -> ProbeReport:
    """Find out what a model can do, and keep that for the runs to come.

    Raises:
        ConfigError: as ``open_backend``.
        BackendError: the model cannot be reached.
    """
    provider = settings.name.partition("/")[0]
    wanted = None if settings.realisation == "auto" else settings.realisation
    report = probe(_server(settings, None) if provider in SERVERS else open_backend(settings), wanted=wanted)
    save_probe(report)
    return report


def known_probe(settings: ModelSettings) -> ProbeReport | None:
    """Return what an earlier probe found out about a server's model; None where there was none. Nothing is asked.

    Raises:
        ConfigError: the address is missing.
        DataError: what is kept of the probe is damaged.
    """
    provider = settings.name.partition("/")[0]
    if provider not in SERVERS:
        return None
    if provider in _KEY_VARIABLES:
        _base_url(settings)
    try:
        backend = _server(settings, None)
    except ConfigError:
        return None  # Without its key, or its package, nobody can have probed it.
    return load_probe(backend.name, backend.base_url)


class Roles:
    """The language models of a run by what they do, opened when they are first asked for.

    The user model also writes and judges unless these roles have models of their own; a policy needs one of its own.

    Args:
        settings: by role, see ``ROLES``.
        calls: file in which every call is kept; None keeps them until the models are closed.
        cache: a run folder or calls file from which answers are taken before a model is asked.
        before: calls file, written by nobody meanwhile, of what was done of the same run before: its answers are taken first,
            and what they used up counts.
        limits: what all of them together may use up.

    Raises:
        ConfigError: a role is unknown, the cache does not exist, or the limits cannot be kept.
    """

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        *,
        calls: Path | None = None,
        cache: Path | None = None,
        before: Path | None = None,
        limits: LimitSettings | None = None,
    ) -> None:
        unknown = sorted(set(settings) - set(ROLES))
        if unknown:
            raise ConfigError(f"models: got role {unknown[0]!r}, expected {one_of(unknown[0], ROLES)}")
        self._settings = dict(settings)
        self._budget = Budget(Limits(**(limits or LimitSettings()).model_dump()), _prices(settings.values()))
        self._store = CallStore(calls, cache=before)
        if before is not None:
            self._budget.add(read_paid(before))
        if cache is not None:
            self._store.also_read(cache)
        self._models = dict[str, LanguageModel]()
        self._shared = dict[str, tuple[Backend, AdaptiveLimiter]]()
        self._ahead = dict[str, float]()

    def __enter__(self) -> Roles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def role(self, name: str) -> LanguageModel:
        """Return the model of a role.

        Raises:
            ConfigError: no model was named for it, or it cannot be opened or cannot do what its settings demand.
        """
        if name not in self._models:
            self._models[name] = self._open(name, self.settings_for(name))
        return self._models[name]

    def settings_for(self, name: str) -> ModelSettings:
        """Return the settings of a role's model, which is not opened.

        Raises:
            ConfigError: no model was named for it.
        """
        stand_in = self._settings.get("user") if name in ("writer", "judge") else None
        settings = self._settings.get(name, stand_in)
        if settings is None:
            flag = "--model provider/name" if name == "user" else f"--set models.{name}=provider/name"
            stand_in_name = "scripted/policy" if name == "policy" else "scripted/genres"
            raise ConfigError(f"role {name}: got no language model, expected {flag}, for instance {stand_in_name}")
        return settings

    def expect(self, ahead: Mapping[str, float]) -> None:
        """Tell how much there is to be asked yet about some subjects, in any unit; 0 for those of whom nothing was told.

        Where more asks wait than may be in flight, those about whom there is more to ask go first, so that no long row of
        asks, each of which needs the answer to the one before, is left for the end (list scheduling by the longest path, Hu
        1961). Answers are the same in any order.
        """
        self._ahead.update(ahead)

    def describe(self) -> dict[str, dict[str, str]]:
        """Return name and elicitation of each model opened so far, by role."""
        return {role: {"name": model.name, "realisation": model.elicitation} for role, model in sorted(self._models.items())}

    def meter(self) -> Meter:
        """Return what all models have used so far."""
        return total_meter([model.meter() for model in self._models.values()])

    def close(self) -> None:
        """Close all models and the calls file."""
        for model in self._models.values():
            model.close()
        self._models.clear()
        self._shared.clear()
        self._store.close()

    def _open(self, role: str, settings: ModelSettings) -> LanguageModel:
        # A replayed run may have used different models for different roles.
        place = settings.model_dump_json() + (role if settings.name.startswith("replay/") else "")
        if place not in self._shared:
            backend = open_backend(settings, role)
            most = settings.concurrency or _abilities(backend).concurrency
            self._shared[place] = backend, AdaptiveLimiter(min(_FIRST_SLOTS, most), most)
        backend, limiter = self._shared[place]
        return LanguageModel(
            backend,
            elicitation=_elicitation(settings, backend),
            renormalise=settings.renormalise,
            role=role,
            samples=settings.samples,
            store=self._store,
            budget=self._budget,
            limiter=limiter,
            ahead=self._ahead,
        )


def _elicitation(settings: ModelSettings, backend: Backend) -> Elicitation:
    abilities = _abilities(backend)
    if settings.realisation == "auto":
        ways = abilities.ways(settings.renormalise)
        if not ways:
            command = probe_command(settings.name, settings.base_url)
            remedy = f"look at what `{command}` finds, and take another model or server"
            raise ConfigError(f"model {settings.name}: got no realisation that works, expected at least one; {remedy}")
        return ways[0]
    if settings.renormalise and settings.realisation != "json":
        got = f"renormalise with the realisation {settings.realisation}"
        raise ConfigError(f"model {settings.name}: got {got}, expected it with json or auto only; leave it out")
    require(abilities, settings.realisation, settings.name, settings.base_url, renormalise=settings.renormalise)
    return settings.realisation


def _refuse_local(settings: ModelSettings) -> None:
    """Raise for settings that nothing would obey."""
    given = [name for name in ("device", "batch_size", "precision") if getattr(settings, name) is not None]
    if given:
        expected = "expected it for transformers/PATH only, a model in this process; leave it out"
        raise ConfigError(f"model {settings.name}: got {given[0]}, {expected}")


def _abilities(backend: Backend) -> Abilities:
    if backend.abilities is None:
        raise ConfigError(f"model {backend.name}: got a backend whose abilities are not known, expected a probed one")
    return backend.abilities


def _base_url(settings: ModelSettings) -> str:
    if settings.base_url is None and settings.name.startswith("openai-compatible/"):
        raise ConfigError(
            f"model {settings.name}: got no address, expected --base-url, or in a scenario base_url beside the model's name, "
            "for instance http://127.0.0.1:8000/v1"
        )
    if settings.base_url is not None:
        return settings.base_url
    # As the official client does: whoever has set it for that expects it here.
    named = os.environ.get(_OPENAI_URL_VARIABLE, "").strip()
    return parse_address(named, f"environment variable {_OPENAI_URL_VARIABLE}") if named else _OPENAI_URL


def _server(settings: ModelSettings, abilities: Abilities | None) -> HttpBackend:
    from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
    from recsim_llm.language.backends.llamacpp_backend import open_llamacpp
    from recsim_llm.language.backends.openai_backend import OpenAIBackend

    provider, _, model = settings.name.partition("/")
    if provider == "llamacpp":
        # By aiohttp always: this server needs nothing of what the official client can do more. A call of it cannot be lost,
        # only be slow, and one that is broken off would have to be computed again.
        patience = max(settings.timeout, _LONG)
        return open_llamacpp(model, timeout=patience, more=settings.request, body_limit=settings.body_limit)
    opener = AiohttpBackend if settings.transport == "aiohttp" else OpenAIBackend
    return opener(
        model,
        base_url=_base_url(settings),
        api_key=_api_key(settings, provider),
        timeout=settings.timeout,
        abilities=abilities,
        provider=provider,
        more=settings.request,
        body_limit=settings.body_limit,
    )


def _api_key(settings: ModelSettings, provider: str) -> str:
    named = settings.api_key_variable
    variables = (named,) if named else _KEY_VARIABLES[provider]
    key = next((os.environ[variable] for variable in variables if os.environ.get(variable)), None)
    if key is None and (named or provider == "openai"):
        raise ConfigError(f"model {settings.name}: got no key, expected it in the environment variable {variables[0]}")
    return key or "none"


def _transformers(path: str, _role: str, settings: ModelSettings) -> Backend:
    from recsim_llm.language.backends.transformers_backend import TransformersBackend, find_device

    given = {} if settings.batch_size is None else {"batch": settings.batch_size}
    device = find_device(settings.device or "cpu")
    return TransformersBackend(path, device=device, precision=settings.precision, **given)


def _scripted(name: str, _role: str, _settings: ModelSettings) -> Backend:
    from recsim_llm.language.backends.scripted import Scripted, resolve_script

    return Scripted(resolve_script(name), name=f"scripted/{name}")


def _replay(path: str, role: str, _settings: ModelSettings) -> Backend:
    from recsim_llm.language.calls.recorded_answers import ReplayBackend

    return ReplayBackend(Path(path), role=role)


_LOCAL: dict[str, Callable[[str, str, ModelSettings], Backend]] = {
    "transformers": _transformers,
    "scripted": _scripted,
    "replay": _replay,
}


def _prices(settings: Iterable[ModelSettings]) -> dict[str, Prices]:
    return {model.name: Prices(**model.prices.model_dump()) for model in settings if model.prices is not None}


def total_meter(meters: Sequence[Meter]) -> Meter:
    """Return what several models, of one process or of many, have done together."""
    failures = Counter[str]()
    for meter in meters:
        failures.update(meter.failures)
    costs = [meter.cost for meter in meters if meter.cost is not None]
    return Meter(
        calls=sum(meter.calls for meter in meters),
        hits=sum(meter.hits for meter in meters),
        prompt_tokens=sum(meter.prompt_tokens for meter in meters),
        cached_tokens=sum(meter.cached_tokens for meter in meters),
        completion_tokens=sum(meter.completion_tokens for meter in meters),
        cost=sum(costs) if costs else None,
        renormalised=sum(meter.renormalised for meter in meters),
        failures=dict(failures),
        in_flight=sum(meter.in_flight for meter in meters),
        concurrency=sum(meter.concurrency for meter in meters),
    )
