"""Exposure logs: what people were shown and did with it, from tables of impressions and from published layouts."""

from recsim_llm.data.exposure_logs.exposure_settings import ExposureOptions, ExposureSettings
from recsim_llm.data.exposure_logs.impression_tables import IMPRESSION_COLUMNS
from recsim_llm.data.exposure_logs.log_layouts import PUBLISHED, open_log

__all__ = ["IMPRESSION_COLUMNS", "PUBLISHED", "ExposureOptions", "ExposureSettings", "open_log"]
