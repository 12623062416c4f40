"""Benchmarks: scripts that measure, in folders by what they measure, each folder with its records in ``results/``."""
