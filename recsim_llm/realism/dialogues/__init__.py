"""Dialogues of simulated users beside those of people: readers of published files, one rule for acts, and distances."""

from recsim_llm.realism.dialogues.dialogue_files import open_dialogues
from recsim_llm.realism.dialogues.dialogue_samples import ACTS, DialogueSample, ToldDialogue
from recsim_llm.realism.dialogues.dialogue_scores import compare_samples
from recsim_llm.realism.dialogues.run_sample import sample_run

__all__ = ["ACTS", "DialogueSample", "ToldDialogue", "compare_samples", "open_dialogues", "sample_run"]
