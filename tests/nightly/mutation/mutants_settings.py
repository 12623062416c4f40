"""Mutations of ends of trainings and of settings that follow the data."""

LOOP = "tests/unit/runs/test_loop.py"

MUTANTS = [
    ("schedules.py", "max(0.0, end - at) / (share * end)", "max(0.0, end - at) / end", LOOP),
    ("training/trainer.py", "game.lr_scale(step) * (1.0 if factor", "(1.0 if factor", LOOP),
    ("training/trainer.py", "self.skipped, sync, anneal)", "self.skipped, sync)", LOOP),
    ("runs/loop.py", "factor <= before", "factor < before", LOOP),
    ("runs/loop.py", "self.images is None else (self.images, state.images)", "True else (0, 0)", LOOP),
    ("runs/loop.py", "if not 0 <= self.anneal <= 1:", "if not self.anneal <= 1:", LOOP),
]
