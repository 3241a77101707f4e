"""The lines of the realism card, one module each."""
