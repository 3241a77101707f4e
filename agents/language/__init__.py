"""Language users: personas played by a language model."""
