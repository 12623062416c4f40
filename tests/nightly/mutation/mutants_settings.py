"""Mutations of ends of trainings and of settings that follow the data."""

LOOP = "tests/unit/runs/test_loop.py"
TIME = "tests/unit/runs/test_time_budget.py"

SIZING = "tests/unit/recipes/test_sizing.py"
RUNS = "tests/unit/runs/test_sizing.py"

MUTANTS = [
    ("recipes/sizing.py", "0.0002 * it.pixels / it.batch", "0.0002 * it.pixels", SIZING),
    ("recipes/sizing.py", "it.batch * it.draws / half_life", "it.batch / half_life", SIZING),
    ("recipes/sizing.py", "it.seen // 8", "it.seen // 4", SIZING),
    ("recipes/sizing.py", "min(BURN_IN, 0.4 * it.seen)", "BURN_IN", SIZING),
    ("recipes/sizing.py", "path not in settings or path in given", "path not in settings", SIZING),
    ("recipes/sizing.py", "max(FEWEST, min(limits))", "min(limits)", SIZING),
    ("runs/sizing.py", ".items() if path not in given", ".items()", RUNS),
    ("runs/sizing.py", "round(speed * length.seconds)", "round(length.seconds)", RUNS),
    ("schedules.py", "max(0.0, end - at) / (share * end)", "max(0.0, end - at) / end", LOOP),
    ("training/trainer.py", "game.lr_scale(step) * (1.0 if factor", "(1.0 if factor", LOOP),
    ("training/trainer.py", "self.skipped, sync, anneal)", "self.skipped, sync)", LOOP),
    ("runs/loop.py", "factor <= before", "factor < before", LOOP),
    ("runs/loop.py", "if self.images is None else (self.images, state.images)", "if True else (0, 0)", LOOP),
    ("runs/loop.py", "if not 0 <= self.anneal <= 1:", "if not self.anneal <= 1:", LOOP),
    ("runs/loop.py", "            state.plan = self.clock.plan(state.plan, state.step)\n", "            pass\n", TIME),
    ("runs/loop.py", "plan.total != options.seconds:", "False:", TIME),
    ("runs/loop.py", "    if plan.step != state.step:  # trained", "    if False:  # trained", TIME),
    ("runs/time_budget.py", "if 0 < plan.end <= plan.step == step:", "if False:", TIME),
    ("runs/time_budget.py", "left * self._speed < 1", "left * self._speed < 0", TIME),
    ("runs/time_budget.py", "not self._marks or step <= before:", "not self._marks:", TIME),
    ("runs/time_budget.py", "(1 - spent) * (step - self.step)", "(step - self.step)", TIME),
    ("runs/time_budget.py", "[*self._marks[-1:], (self.seconds, step)]", "self._marks", TIME),
    ("runs/time_budget.py", "min(self.total / PARTS, LONGEST)", "self.total", TIME),
]
