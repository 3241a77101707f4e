"""Fitting the choice model: ratings, levels and consumption."""
