"""Trainings in folders: configuration, state, loop, checkpoints, logs."""
