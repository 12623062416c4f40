"""A training as a folder: configuration, state, loop, checkpoints, logs."""
