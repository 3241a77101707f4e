"""What users remember: a stream of observations, facts, reflection, and recall within a token budget."""
