"""Training techniques: games around games, one file for each idea; whatever they wrap keeps its own round."""
