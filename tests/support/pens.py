"""A model that writes by a function of the prompt, answers by a script, and keeps its calls."""

from recsim_llm.language.backends.scripted import Scripted, prompt_text, resolve_script
from recsim_llm.language.base.wire import RawReply
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.calls.store import CallStore


class Pen(Scripted):
    """Writes ``write(prompt)``; an empty text counts as a refusal."""

    def __init__(self, write=lambda text: "Fine.", script="uniform", name="scripted/pen"):
        super().__init__(resolve_script(script) if isinstance(script, str) else script, name=name)
        self.prompts = []
        self._pen = write

    async def send(self, call):
        text = prompt_text(call.messages)
        self.prompts.append(text)
        return RawReply((self._pen(text),)) if call.form == "text" else await super().send(call)


def open_pen(*arguments, **named):
    """Return a backend and a model that writes with it."""
    pen = Pen(*arguments, **named)
    return pen, LanguageModel(pen, elicitation="decision", role="writer", store=CallStore(None))
