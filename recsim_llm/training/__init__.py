"""Training: policies that learn from simulated users, and what makes them recommenders."""
