"""Uses of trained games: sampling, interpolation, latent directions, inversion, encoding, translation and more."""
