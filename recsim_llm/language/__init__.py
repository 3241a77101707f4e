"""Language models: typed questions in, probabilities out; replies are cached, limited, retried and recorded.

``open_model`` opens one by name, ``LanguageModel.ask`` puts questions (``yes_no``, ``score``, ``choice``, ``number``,
``short_text``, ``likelihood``) about a ``Prompt``. Inside are the sub-rooms ``base``, ``answers``, ``backends``, ``calls``,
``probing`` and ``chaos``, each of which knows only those before it.
"""

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.language.backends.scripted import Scripted
    from recsim_llm.language.base.questions import (
        Answer,
        Ask,
        Elicitation,
        Part,
        Prompt,
        Question,
        choice,
        likelihood,
        number,
        score,
        short_text,
        yes_no,
    )
    from recsim_llm.language.base.settings import LimitSettings, ModelSettings, PriceSettings
    from recsim_llm.language.calls.acting import Acting
    from recsim_llm.language.calls.meter import Meter
    from recsim_llm.language.calls.model import LanguageModel, Reply
    from recsim_llm.language.calls.store import CallStore
    from recsim_llm.language.calls.writing import Writing
    from recsim_llm.language.chaos.faults import Faults
    from recsim_llm.language.chaos.server import ChaosServer
    from recsim_llm.language.probing.probe import ProbeReport
    from recsim_llm.language.providers import Roles, open_model, probe_model

__all__ = [
    "Acting",
    "Answer",
    "Ask",
    "CallStore",
    "ChaosServer",
    "Elicitation",
    "Faults",
    "LanguageModel",
    "LimitSettings",
    "Meter",
    "ModelSettings",
    "Part",
    "PriceSettings",
    "ProbeReport",
    "Prompt",
    "Question",
    "Reply",
    "Roles",
    "Scripted",
    "Writing",
    "choice",
    "likelihood",
    "number",
    "open_model",
    "probe_model",
    "score",
    "short_text",
    "yes_no",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Acting": "calls.acting",
        "Answer": "base.questions",
        "Ask": "base.questions",
        "CallStore": "calls.store",
        "ChaosServer": "chaos.server",
        "Elicitation": "base.questions",
        "Faults": "chaos.faults",
        "LanguageModel": "calls.model",
        "LimitSettings": "base.settings",
        "Meter": "calls.meter",
        "ModelSettings": "base.settings",
        "Part": "base.questions",
        "PriceSettings": "base.settings",
        "ProbeReport": "probing.probe",
        "Prompt": "base.questions",
        "Question": "base.questions",
        "Reply": "calls.model",
        "Roles": "providers",
        "Scripted": "backends.scripted",
        "Writing": "calls.writing",
        "choice": "base.questions",
        "likelihood": "base.questions",
        "number": "base.questions",
        "open_model": "providers",
        "probe_model": "providers",
        "score": "base.questions",
        "short_text": "base.questions",
        "yes_no": "base.questions",
    },
)
