"""Games, one file each: the module docstring is the theory, the class the algorithm."""
