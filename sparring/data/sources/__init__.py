"""Where rows come from: files, folders, archives, arrays, standard sets, points."""
