"""The error tree: the class says whose fault it is, the text says got, expected and what to do.

    RecSimError
    ├── ConfigError          a setting, option or combination that cannot work
    │   └── RunExistsError   a run folder would be overwritten
    │       └── FolderInUseError  another process is writing the folder
    ├── DataError            a file or table with rows that cannot be used
    ├── ContractError        a plug-in (recommender, user model) broke its contract
    │   ├── PlugInError      code of a plug-in crashed
    │   └── SlateError       a slate with unknown, retired, repeated or miscounted items
    ├── LogError             a run folder that is damaged or belongs to other settings
    ├── ServiceError         a recommender behind HTTP was not reached, refused, took too long or answered wrongly
    ├── ToolError            a catalog tool was called wrongly; an agent sees it and goes on
    ├── BackendError         a call of a language model failed on its way
    ├── ModelReplyError      a language model answered with something unusable
    ├── BudgetExceeded       a limit on tokens, calls, money or time was reached
    └── Refused              a request that the chaos server refuses

The command line prints the one-line text of any of them and exits with status 2.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from recsim_llm.terminal_text import printable

__all__ = [
    "BackendError",
    "BudgetExceeded",
    "ConfigError",
    "ContractError",
    "DataError",
    "FolderInUseError",
    "LogError",
    "ModelReplyError",
    "PlugInError",
    "RecSimError",
    "Refused",
    "RunExistsError",
    "ServiceError",
    "SlateError",
    "ToolError",
    "hide_secrets",
    "is_full",
    "one_of",
]

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,2})(\S*)")
_BARE_CREDENTIALS = re.compile(r"(?<![^\s'\"=(/])[^\s/:@'\"]+:[^\s/@]+@(?=[\w\[])")


def hide_secrets(text: str) -> str:
    """Return a text in which addresses have no user, password, query or fragment.

    Args:
        text: any; what is hidden is replaced by ``[hidden]``.
    """
    if "@" not in text and "://" not in text:
        return text
    return _BARE_CREDENTIALS.sub("[hidden]@", _ADDRESS.sub(_shown, text))


def _shown(address: re.Match[str]) -> str:
    credentials, at, rest = address[2].rpartition("@")
    place = "[hidden]@" + rest if at and credentials else address[2]
    public = re.split(r"[?#](?=.)", place, maxsplit=1)
    return address[1] + public[0] + ("?[hidden]" if len(public) > 1 else "")


_LINE_BREAK = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_HEAD, _TAIL = 2_400, 1_200
_CUT = " […] "
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: OSError) -> bool:
    """Tell whether a file could not be written because there is no room: a full disk, a quota, or a limit on a file's size."""
    return error.errno in _FULL


def one_of(got: object, known: Iterable[str]) -> str:
    """Say which names there are, and which one was probably meant: ``one of clicks, stars; did you mean 'clicks'?``.

    Args:
        got: the name that nobody knows.
        known: the names that there are.
    """
    names = list(known)
    near = get_close_matches(str(got), names, n=1)
    return f"one of {', '.join(names)}" + (f"; did you mean {near[0]!r}?" if near else "")


class RecSimError(Exception):
    """Base of every error that this package raises on purpose.

    Its text is one line of bounded length, also where it repeats something that takes several, such as an array; it shows no
    secret parts of an address, and holds nothing that a terminal obeys, whoever wrote the title or the file that it names.
    """

    def __init__(self, *about: object) -> None:
        super().__init__(*(_as_line(part) if isinstance(part, str) else part for part in about))

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by the arguments, of which subclasses want more: an error of a worker is raised where the work was given out.
        return _rebuilt, (type(self), self.args, vars(self))


def _as_line(text: str) -> str:
    """Return a text as an error says it."""
    # Cut roughly first, since what is hostile can be megabytes; at last where no secret can have been cut in two.
    return _shortened(hide_secrets(printable(_LINE_BREAK.sub(" ", _shortened(text, 4)))), 1)


def _shortened(text: str, times: int) -> str:
    """Return a text; of a very long one the middle is left out, since the end says what to do."""
    head, tail = times * _HEAD, times * _TAIL
    return text if len(text) <= head + tail else text[:head] + _CUT + text[-tail:]


def _rebuilt(kind: type[RecSimError], about: tuple[Any, ...], details: dict[str, Any]) -> RecSimError:
    error = kind.__new__(kind, *about)
    vars(error).update(details)
    return error


class ConfigError(RecSimError, ValueError):
    """A setting, option or combination of options cannot work."""


class RunExistsError(ConfigError):
    """A run folder exists already and would be overwritten."""


class FolderInUseError(RunExistsError):
    """Another process, or another thread of this one, is writing the folder."""


class DataError(RecSimError, ValueError):
    """A file or table holds something that cannot be used; the text names file, line and remedy."""


class ContractError(RecSimError, ValueError):
    """A plug-in returned something that its contract does not allow."""


class PlugInError(ContractError):
    """Code of a plug-in crashed; the text names file and line, and what it raised is the cause of this error."""


class SlateError(ContractError):
    """A slate holds an unknown, retired or repeated item, or has the wrong shape or type."""


class LogError(RecSimError, RuntimeError):
    """A run folder is damaged, incomplete, or was written under other settings."""


class ToolError(RecSimError, ValueError):
    """A catalog tool was called wrongly; an agent is told so, and goes on.

    Args:
        message: one line: got, expected, what to do.
        cause: ``action`` (no action could be read), ``tool`` (there is none of that name), ``arguments``, ``filter``, ``item``
            (the catalog has none of that id), ``friends`` (the run has none) or ``budget``.
    """

    def __init__(self, message: str, *, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


class ServiceError(RecSimError, RuntimeError):
    """A recommender behind HTTP was not reached, refused, took too long, or answered with something that cannot be used.

    Args:
        message: one line without secrets: address, request, attempts, seconds, and what to do.
        cause: ``connection``, ``timeout``, ``status`` (any but 200), ``wait`` (it asks to wait longer than is waited) or
            ``bad_reply``.
        status: HTTP status of the last attempt; None where there was none.
        attempts: how often the request was sent.
        seconds: that they took, waits between them included.
    """

    def __init__(self, message: str, *, cause: str, status: int | None = None, attempts: int = 1, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.cause, self.status, self.attempts, self.seconds = cause, status, attempts, seconds

    def told_of(self, who: str) -> ServiceError:
        """Return the same error with the name of whoever failed before its text."""
        return ServiceError(
            f"{who}: {self}", cause=self.cause, status=self.status, attempts=self.attempts, seconds=self.seconds
        )


class BackendError(RecSimError, RuntimeError):
    """A call failed on its way: the provider refused it, broke, or could not be reached.

    Args:
        cause: ``rate_limit``, ``overloaded``, ``server``, ``timeout``, ``connection``, ``bad_reply``, ``quota`` (an empty
            account), ``authentication``, ``context_length``, ``content_filter`` or ``refused`` (any other 4xx).
        message: one line without secrets.
        retryable: whether sending the same again can help.
        retry_after: seconds that the provider asks to wait; None where it does not say.
        status: HTTP status; None where there is none.
    """

    def __init__(
        self, cause: str, message: str, *, retryable: bool, retry_after: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.cause, self.retryable, self.retry_after, self.status = cause, retryable, retry_after, status


class ModelReplyError(RecSimError, RuntimeError):
    """A language model's reply could not be turned into a decision.

    Args:
        message: one line: what was got, what was expected.
        cause: what was wrong in one word, one of ``recsim_llm.language.answers.reading.CAUSES``; empty where nobody said.
        subject: whom the decision was about, as in ``Ask.subject``; empty where nobody said.
    """

    def __init__(self, message: str, *, cause: str = "", subject: str = "") -> None:
        super().__init__(message)
        self.cause, self.subject = cause, subject


class BudgetExceeded(RecSimError, RuntimeError):
    """A limit on tokens, calls, money or time was reached; the run has been checkpointed.

    Args:
        message: which limit, and how it goes on.
        option: of the command line, that sets the limit; empty where none does.
    """

    def __init__(self, message: str, *, option: str = "") -> None:
        super().__init__(message)
        self.option = option


class Refused(RecSimError, ValueError):
    """A model server of this package refuses a request; the client gets the status, and never sees this class.

    Args:
        status: HTTP status.
        message: why, one line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message
