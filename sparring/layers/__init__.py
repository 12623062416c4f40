"""Layers and initialisations that the networks are made of."""
