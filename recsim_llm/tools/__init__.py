"""A catalog as tools: what an agent may call, what it gets back, and agents that plan with them."""
