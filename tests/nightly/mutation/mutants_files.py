"""The mutations of where results go and of prepared files, as in `mutants`."""

TARGETS = "tests/robustness/test_targets.py"
PREPARED = "tests/unit/data/test_cache.py"
LEFTOVERS = "tests/robustness/test_leftovers.py"
ABSURD = "tests/robustness/test_invalid_values.py"

MUTANTS = [
    # networks that do not fit into memory
    ("runs/memory.py", "                most = sum(each.nbytes for each in parameters.values())\n", "", ABSURD),
    ("runs/memory.py", '(device, times), (torch.device("cpu"), 1)', "(device, times),", ABSURD),
    ("runs/memory.py", "        hook.remove()", "        pass", ABSURD),
    # results: each a name of its own, none in the place of what is read
    ("_io/targets.py", "key=lambda k: wanted[k] != sources[k]", "key=lambda k: 0", TARGETS),
    ("_io/targets.py", "given | set(wanted) if wanted[place] in given else given", "given", TARGETS),
    ("_io/targets.py", "found = path.stat()", "found = path.lstat()", TARGETS),
    ("_io/targets.py", "/ target.name, Path(os.path.realpath(target))", "/ target.name,", TARGETS),
    ("_io/targets.py", "path == place or place in path.parents", "path == place", TARGETS),
    ("_io/targets.py", "if found == path or found.is_file():", "if found == path:", TARGETS),
    ("runs/outputs.py", "[] if name in NAMES else data_paths(name)", "[]", TARGETS),
    ("runs/outputs.py", "for own in (*OWN, *FOLDERS)", "for own in OWN", TARGETS),
    ("cli/latent.py", "    require_outputs(run, [numbers], images)\n", "", TARGETS),
    (
        "cli/paint.py",
        "require_outputs(run, (targets := _targets(out, [*maps], [*styles], bool(frames))).values(), read)",
        "targets = _targets(out, [*maps], [*styles], bool(frames))",
        TARGETS,
    ),
    (
        "data/annotations/palettes.py",
        "file.relative_to(place) if Path(place).is_dir() else Path(file.name)",
        "Path(file.name)",
        TARGETS,
    ),
    ("visualization/video.py", '"-f", "mp4", file.name]', '"-f", "mp4", str(path)]', TARGETS),
    # prepared files: one rename, every byte known, images checked when they are read
    (
        "data/cache.py",
        "        with atomic_write(target) as file:",
        "        with open(target, 'wb') as file:",
        PREPARED,
    ),
    ("data/cache.py", "_sealed(text, start) != seal", "False", PREPARED),
    ("data/cache.py", "if zlib.crc32(part) != checksum:", "if False:", PREPARED),
    ("data/cache.py", "if file.read(len(MAGIC)) == MAGIC:", "if False:", PREPARED),
    ("data/cache.py", 'parts = {"head": (file.read(len(head)), facts["head"])}', "parts = {}", PREPARED),
    ("data/cache.py", "            old.unlink(missing_ok=True)\n", "            pass\n", PREPARED),
    ("data/cache.py", ' or found.facts["content"] != content', "", PREPARED),
    ("data/cache.py", "    target.unlink(missing_ok=True)\n    again()", "    again()", PREPARED),
    ("data/checksums.py", "if zlib.crc32(found[place]) != checksum:", "if False:", PREPARED),
    ("data/checksums.py", "        known[rows] = True\n", "", PREPARED),
    (
        "data/checksums.py",
        "            if (damaged := self._read(rows)[1]) is not None:",
        "            if True:",
        PREPARED,
    ),
    ("data/checksums.py", "        self._now = fresh._now\n", "", PREPARED),
    ("data/checksums.py", "if fresh._read(np.array([row]))[1] is not None:", "if False:", PREPARED),
    (
        "data/loading.py",
        "return dataset.all_rows(), dataset.labels",
        "return dataset.values, dataset.labels",
        PREPARED,
    ),
    ("data/sources/readable.py", ' if known["crc32"] == _checksum(known["facts"]) else None', "", PREPARED),
    # what dead processes left: removed, and nothing that a living one writes
    ("_io/atomic.py", "    remove_stale(target.parent)\n", "", LEFTOVERS),
    ("_io/atomic.py", "            fcntl.flock(own, fcntl.LOCK_EX)\n", "            pass\n", LEFTOVERS),
    ("_io/atomic.py", "            if name.exists():", "            if True:", LEFTOVERS),
    ("_io/atomic.py", " and entry.is_file(follow_symlinks=False)", "", LEFTOVERS),
    ("_io/atomic.py", "UNFINISHED.fullmatch(entry.name) and", 'entry.name.endswith(".tmp") and', LEFTOVERS),
]
