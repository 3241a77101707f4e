"""The report of a run: one self-contained page, its figures with their data, and the tables of the command line."""

from recsim_llm.report.findings_section import finding_lines, read_measured, seeds_lines
from recsim_llm.report.model_calls import calls_line, read_calls
from recsim_llm.report.obedience_table import obedience_lines
from recsim_llm.report.page import write_report
from recsim_llm.report.reproduction import enrichment_line
from recsim_llm.report.serving_costs import read_serving, read_servings, serving_line, thousand_table
from recsim_llm.report.session_files import SESSIONS_PAGE, write_sessions
from recsim_llm.report.spoken import agreement_line, example_source, interview_table, read_speech
from recsim_llm.report.summary_tables import summary_table
from recsim_llm.report.words import verdict

__all__ = [
    "SESSIONS_PAGE",
    "agreement_line",
    "calls_line",
    "enrichment_line",
    "example_source",
    "finding_lines",
    "interview_table",
    "obedience_lines",
    "read_calls",
    "read_measured",
    "read_serving",
    "read_servings",
    "read_speech",
    "seeds_lines",
    "serving_line",
    "summary_table",
    "thousand_table",
    "verdict",
    "write_report",
    "write_sessions",
]
