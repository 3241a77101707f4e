"""Servers of the package: they listen on this machine alone."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOPS = ("recsim_llm", "agents", "envs", "scenarios")
LISTENS = ("TCPSite", "create_server", "start_server", "HTTPServer", "ThreadingHTTPServer", "TCPServer", "run_app", "bind")


@cache
def nodes():
    """Return the nodes of the code that has to do with listening, each with its file."""
    found = []
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            linked = any(parent.is_symlink() for parent in path.parents if ROOT in parent.parents)
            if not linked and any(word in text for word in (*LISTENS, "0.0.0.0")):
                found += [(str(path.relative_to(ROOT)), node) for node in ast.walk(ast.parse(text))]
    return found


def test_every_server_listens_on_loopback():
    found = {}
    for path, node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LISTENS:
            found[path] = [ast.unparse(argument) for argument in node.args]
    hosts = {path: [one for one in arguments if one in ("HOST", "'127.0.0.1'")] for path, arguments in found.items()}
    listening = {path for path, host in hosts.items() if host}
    assert listening == {"recsim_llm/watch/watch_server.py", "recsim_llm/language/chaos/server.py"}
    # ``bind`` of a signature takes arguments of a call, and listens to nobody.
    assert {path for path in found if path not in listening} == {"agents/memory/memory_kinds.py"}
    assert not [path for path, node in nodes() if isinstance(node, ast.Constant) and node.value == "0.0.0.0"]
