"""Conversations: recommenders that say, ask, recommend and explain, and users who answer by typed decisions."""
