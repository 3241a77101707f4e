"""Writers of a run's log for other libraries and for training on words.

Each takes an ``ExportSource`` (one finished arm) and a folder. ``recsim_llm.scenarios.export`` puts them together with the
run's data, adds the data set for Minari, which needs the environments, and sees to it that an export is there whole or not at
all.
"""

from recsim_llm.exports.arm_log import PORTION_SLOTS, ArmLog, Portion
from recsim_llm.exports.bandit import load_bandit_feedback, write_bandit_feedback, write_slate_feedback
from recsim_llm.exports.conversations import CONVERSATIONS_FILE, write_conversations
from recsim_llm.exports.dialogues import HISTORY, write_dialogues
from recsim_llm.exports.formats import new_folder
from recsim_llm.exports.identities import Identities
from recsim_llm.exports.inspired import INSPIRED_FILE, write_inspired
from recsim_llm.exports.narratives import NARRATIVES_FILE, count_narratives, write_narratives
from recsim_llm.exports.own_names import write_own_ids
from recsim_llm.exports.private_counts import COUNTS_FILE, Privacy, count_users, geometric_noise, write_counts
from recsim_llm.exports.ratings_csv import write_movielens
from recsim_llm.exports.recbole import write_recbole
from recsim_llm.exports.redial import REDIAL_FILE, write_redial
from recsim_llm.exports.simeval import write_simeval
from recsim_llm.exports.source import ExportSource

__all__ = [
    "CONVERSATIONS_FILE",
    "COUNTS_FILE",
    "HISTORY",
    "INSPIRED_FILE",
    "NARRATIVES_FILE",
    "PORTION_SLOTS",
    "REDIAL_FILE",
    "ArmLog",
    "ExportSource",
    "Identities",
    "Portion",
    "Privacy",
    "count_narratives",
    "count_users",
    "geometric_noise",
    "load_bandit_feedback",
    "new_folder",
    "write_bandit_feedback",
    "write_conversations",
    "write_counts",
    "write_dialogues",
    "write_inspired",
    "write_movielens",
    "write_narratives",
    "write_own_ids",
    "write_recbole",
    "write_redial",
    "write_simeval",
    "write_slate_feedback",
]
