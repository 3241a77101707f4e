"""A catalog as tools: what an agent may call, what it gets back, and agents that look things up before they recommend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.tools.arguments import TOOLS, openai_tools
    from recsim_llm.tools.filters import select_items
    from recsim_llm.tools.mcp_server import make_server
    from recsim_llm.tools.policies import AllPaths, PlanExecute, ReAct
    from recsim_llm.tools.service import ToolService

__all__ = ["TOOLS", "AllPaths", "PlanExecute", "ReAct", "ToolService", "make_server", "openai_tools", "select_items"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "TOOLS": "arguments",
        "AllPaths": "policies",
        "PlanExecute": "policies",
        "ReAct": "policies",
        "ToolService": "service",
        "make_server": "mcp_server",
        "openai_tools": "arguments",
        "select_items": "filters",
    },
)
