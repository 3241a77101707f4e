"""User models: who browses, and how they decide."""

if __name__ != "recsim_llm.agents":
    raise ImportError("import recsim_llm.agents, not agents")

__all__: list[str] = []
