"""Files: atomic writes, folders by handle, paths of results."""
