"""The error tree: the class says whose fault it is, the text says got, expected and what to do.

    RecSimError
    ├── ConfigError          a setting, option or combination that cannot work
    │   └── RunExistsError   a run folder would be overwritten
    ├── DataError            a file or table with rows that cannot be used
    ├── ContractError        a plug-in (recommender, user model) broke its contract
    │   └── SlateError       a slate with unknown, retired, repeated or miscounted items
    ├── LogError             a run folder that is damaged or belongs to other settings
    ├── ModelReplyError      a language model answered with something unusable
    └── BudgetExceeded       a limit on tokens, calls, money or time was reached

The command line prints the one-line text of any of them and exits with status 2.
"""

__all__ = [
    "BudgetExceeded",
    "ConfigError",
    "ContractError",
    "DataError",
    "LogError",
    "ModelReplyError",
    "RecSimError",
    "RunExistsError",
    "SlateError",
]


class RecSimError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(RecSimError, ValueError):
    """A setting, option or combination of options cannot work."""


class RunExistsError(ConfigError):
    """A run folder exists already and would be overwritten."""


class DataError(RecSimError, ValueError):
    """A file or table holds something that cannot be used; the text names file, line and remedy."""


class ContractError(RecSimError, ValueError):
    """A plug-in returned something that its contract does not allow."""


class SlateError(ContractError):
    """A slate holds an unknown, retired or repeated item, or has the wrong shape or type."""


class LogError(RecSimError, RuntimeError):
    """A run folder is damaged, incomplete, or was written under other settings."""


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
    """A limit on tokens, calls, money or time was reached; the run has been checkpointed."""
