"""The mutations of where results go and of prepared files, as in `mutants`."""

TARGETS = "tests/test_targets.py"

MUTANTS = [
    # results: each a name of its own, none in the place of what is read
    ("targets.py", "key=lambda k: wanted[k] != sources[k]", "key=lambda k: 0", TARGETS),
    ("targets.py", "given | set(wanted) if wanted[place] in given else given", "given", TARGETS),
    ("targets.py", "found = path.stat()", "found = path.lstat()", TARGETS),
    ("targets.py", "/ target.name, Path(os.path.realpath(target))", "/ target.name,", TARGETS),
    ("targets.py", "path == place or place in path.parents", "path == place", TARGETS),
    ("targets.py", "if found == path or found.is_file():", "if found == path:", TARGETS),
    ("outputs.py", "[] if name in NAMES else paths(name)", "[]", TARGETS),
    ("outputs.py", "for own in (*OWN, *FOLDERS)", "for own in OWN", TARGETS),
    ("cli/exploring.py", "    require_outputs(run, [numbers], images)\n", "", TARGETS),
    (
        "cli/painting.py",
        "require_outputs(run, (targets := _targets(out, [*maps], [*styles], bool(frames))).values(), read)",
        "targets = _targets(out, [*maps], [*styles], bool(frames))",
        TARGETS,
    ),
    (
        "data/drawn.py",
        "file.relative_to(place) if Path(place).is_dir() else Path(file.name)",
        "Path(file.name)",
        TARGETS,
    ),
    ("pictures.py", '"-f", "mp4", file.name]', '"-f", "mp4", str(path)]', TARGETS),
]
