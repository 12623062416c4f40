"""Sources of rows: files, folders, archives, arrays, standard sets, points."""
