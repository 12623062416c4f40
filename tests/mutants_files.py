"""The mutations of where results go and of prepared files, as in `mutants`."""

TARGETS, PREPARED, LEFTOVERS, ABSURD = (
    f"tests/test_{name}.py" for name in ("targets", "prepared", "leftovers", "absurd")
)

MUTANTS = [
    # networks that do not fit into memory
    ("room.py", "                most = sum(each.nbytes for each in parameters.values())\n", "", ABSURD),
    ("room.py", '(device, times), (torch.device("cpu"), 1)', "(device, times),", ABSURD),
    ("room.py", "        hook.remove()", "        pass", ABSURD),
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
    # prepared files: one rename, every byte known, images checked when they are read
    ("data/prepared.py", "        with written(target) as file:", "        with open(target, 'wb') as file:", PREPARED),
    ("data/prepared.py", "_sealed(text, start) != seal", "False", PREPARED),
    ("data/prepared.py", "if zlib.crc32(part) != checksum:", "if False:", PREPARED),
    ("data/prepared.py", "if file.read(len(MAGIC)) == MAGIC:", "if False:", PREPARED),
    ("data/prepared.py", 'parts = {"head": (file.read(len(head)), facts["head"])}', "parts = {}", PREPARED),
    ("data/prepared.py", "            old.unlink(missing_ok=True)\n", "            pass\n", PREPARED),
    ("data/prepared.py", ' or found.facts["content"] != content', "", PREPARED),
    ("data/prepared.py", "    target.unlink(missing_ok=True)\n    again()", "    again()", PREPARED),
    ("data/checked.py", "if zlib.crc32(found[place]) != checksum:", "if False:", PREPARED),
    ("data/checked.py", "        known[rows] = True\n", "", PREPARED),
    (
        "data/checked.py",
        "            if (damaged := self._read(rows)[1]) is not None:",
        "            if True:",
        PREPARED,
    ),
    ("data/checked.py", "        self._now = fresh._now\n", "", PREPARED),
    ("data/checked.py", "if fresh._read(np.array([row]))[1] is not None:", "if False:", PREPARED),
    (
        "data/catalogue.py",
        "return dataset.everything(), dataset.labels",
        "return dataset.values, dataset.labels",
        PREPARED,
    ),
    ("data/sifting.py", ' if known["crc32"] == _checksum(known["facts"]) else None', "", PREPARED),
    # what dead processes left: removed, and nothing that a living one writes
    ("durable.py", "    tidy(target.parent)\n", "", LEFTOVERS),
    ("durable.py", "            fcntl.flock(own, fcntl.LOCK_EX)\n", "            pass\n", LEFTOVERS),
    ("durable.py", "            if name.exists():", "            if True:", LEFTOVERS),
    ("durable.py", " and entry.is_file(follow_symlinks=False)", "", LEFTOVERS),
    ("durable.py", "UNFINISHED.fullmatch(entry.name) and", 'entry.name.endswith(".tmp") and', LEFTOVERS),
]
