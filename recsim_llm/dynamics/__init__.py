"""What changes while a run goes on: what friends tell each other."""
