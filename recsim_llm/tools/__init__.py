"""A catalog as tools: what an agent may call, what it gets back, and agents that look things up before they recommend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.tools.agent_policies import AllPaths, PlanExecute, ReAct
    from recsim_llm.tools.filters import select_items
    from recsim_llm.tools.mcp_server import make_server
    from recsim_llm.tools.service import ToolService
    from recsim_llm.tools.tool_arguments import TOOLS, openai_tools

__all__ = ["TOOLS", "AllPaths", "PlanExecute", "ReAct", "ToolService", "make_server", "openai_tools", "select_items"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "TOOLS": "tool_arguments",
        "AllPaths": "agent_policies",
        "PlanExecute": "agent_policies",
        "ReAct": "agent_policies",
        "ToolService": "service",
        "make_server": "mcp_server",
        "openai_tools": "tool_arguments",
        "select_items": "filters",
    },
)
