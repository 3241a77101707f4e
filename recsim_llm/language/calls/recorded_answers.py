"""A run's recorded answers as a backend of their own: no model, no network, and an error where an answer is missing.

Names agree because the backend takes its name and its way to a decision from the record: those under which calls of its role
were answered, or got replies of which none could be read. Its language model looks answers up in that file, so a call that
reaches the backend is a miss.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.wire import Abilities, Call, RawReply
from recsim_llm.language.calls.calls_file import open_calls

__all__ = ["ReplayBackend"]

_RECORDED = """
SELECT model, realisation, count(*) FROM calls WHERE {} AND role = ? GROUP BY model, realisation
ORDER BY count(*) DESC, model, realisation
"""
_ANSWERED, _REPLIED = "status = 'answered'", "reply IS NOT NULL"
_FORCED = """
SELECT form FROM calls WHERE status = 'answered' AND role = ? AND realisation = 'forced'
GROUP BY form ORDER BY count(*) DESC, form LIMIT 1
"""
_ROLES = "SELECT DISTINCT role FROM calls WHERE status = 'answered' ORDER BY role"


class ReplayBackend:
    """Stands for the model that a run used in one role.

    Args:
        path: the run folder or its calls file.
        role: which of the run's models.

    Raises:
        ConfigError: there is no such file, or the role was answered by no model, or by several.
        LogError: the file is damaged.
    """

    local = True

    def __init__(self, path: Path, *, role: str = "user") -> None:
        self.path = path
        with closing(open_calls(path)) as connection:
            try:
                recorded = connection.execute(_RECORDED.format(_ANSWERED), (role,)).fetchall()
                # That none of a policy's replies could be read is played back, too.
                recorded = recorded or connection.execute(_RECORDED.format(_REPLIED), (role,)).fetchall()
                forced = connection.execute(_FORCED, (role,)).fetchone()
                roles = [row[0] for row in connection.execute(_ROLES)]
            except sqlite3.Error as error:
                raise LogError(f"{path}: got {error}, expected a calls file that can be read; restore it") from error
        models = sorted({row[0] for row in recorded})
        if len(models) != 1:
            found = ", ".join(models) or f"none (answered roles: {', '.join(roles) or 'none'})"
            raise ConfigError(f"replay of {path}: got for role {role} the models {found}, expected exactly one")
        self.name: str = models[0]
        ways: tuple[Elicitation, ...] = tuple(row[1] for row in recorded)
        # The form is ``forced``, or ``forced WAY`` where questions were asked one by one.
        self._abilities = Abilities(
            elicitations=ways,
            seed=True,
            concurrency=1,
            forced=forced[0].partition(" ")[2] if forced else "",
            likelihood=True,
            tools=True,
            schemas=True,
        )

    @property
    def abilities(self) -> Abilities:
        """The ways to a decision that were recorded, the most used first."""
        return self._abilities

    def missing(self, subject: str, content: str) -> ConfigError:
        """Return the error for an ask that was not recorded.

        Args:
            subject: whom it is about.
            content: the first words of what is asked.
        """
        return ConfigError(
            f"replay of {self.path}: got an ask about {subject or 'nobody named'} that was not recorded ({content[:60]!r}), "
            "expected the settings and seed of that run; ask a model instead, with that run as cache"
        )

    async def send(self, call: Call) -> RawReply:
        """Refuse: only recorded answers exist.

        Raises:
            ConfigError: always.
        """
        raise self.missing("", call.messages[-1].content)

    async def close(self) -> None:
        """Do nothing; there is nothing to give back."""
