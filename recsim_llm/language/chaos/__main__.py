"""``python -m recsim_llm.language.chaos``: the chaos server as a command."""

from recsim_llm.language.chaos.server import main

if __name__ == "__main__":
    raise SystemExit(main())
