"""Scores of a game beside those of real data and of noise."""
