"""Evaluation of games: metrics by name, sample sets, and the scores of samples, translations and label maps."""
