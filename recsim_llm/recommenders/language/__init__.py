"""Recommenders that ask a language model: rankers, generators and what they are told."""
