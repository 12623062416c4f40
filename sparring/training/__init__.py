"""Training a game in memory: the trainer, averaged weights, finite checks, many processes."""
