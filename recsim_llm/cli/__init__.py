"""The command ``recsim-llm``."""
