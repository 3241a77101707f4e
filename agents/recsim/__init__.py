"""The users of RecSim's worlds, with their published dynamics."""
