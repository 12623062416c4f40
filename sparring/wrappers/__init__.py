"""Wrappers: training techniques as games around games, one file for each idea."""
