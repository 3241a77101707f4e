"""From what a model wrote to probabilities."""
