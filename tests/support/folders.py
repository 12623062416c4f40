"""The contents of folders, to compare before and after."""

from __future__ import annotations


def tree(folder):
    """Every name below a folder, with the content and the moment of change of files."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
