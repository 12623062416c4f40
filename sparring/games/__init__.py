"""One file for each game: the module docstring is the theory, the class is the algorithm."""
