"""Layout: the test of `sparring/a/b.py` is `tests/unit/a/test_b.py`; exceptions stand in the tables below."""

import ast
import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import sparring

ROOT = Path(sparring.__file__).parent
TESTS = Path(__file__).parents[1]
FOLDERS = {"unit", "zoo", "robustness", "house", "nightly", "support"}

TESTED_ELSEWHERE = {
    # one command, one table, one set of lessons: the package is tested as a whole
    "cli/auto.py": "unit/experiments/test_auto.py",
    "cli/compare.py": "unit/experiments/test_compare.py",
    "cli/encode.py": "unit/inference/test_encoding.py",
    "cli/latent.py": "unit/inference/test_directions.py",
    "cli/paint.py": "unit/inference/test_label_maps.py",
    "cli/singan.py": "unit/inference/test_single_image.py",
    "cli/theory.py": "unit/theory/test_lessons.py",
    "cli/translate.py": "unit/inference/test_translation.py",
    "cli/*.py": "unit/cli/test_cli.py",
    "tasks/*.py": "unit/tasks/test_tasks.py",
    "theory/lessons/*.py": "unit/theory/test_lessons.py",
    "experiments/auto_*.py": "unit/experiments/test_auto.py",
    "experiments/*.py": "unit/experiments/test_compare.py",
    # catalogues
    "networks/fourier.py": "unit/games/test_r3gan.py",
    "networks/stackgan.py": "unit/games/test_stackgan.py",
    "networks/common/code_reader.py": "unit/games/test_infogan.py",
    "networks/common/conditional.py": "unit/games/test_cgan.py",
    "networks/common/encoders.py": "unit/games/test_bigan.py",
    "networks/common/pair_input.py": "unit/games/test_pix2pix.py",
    "networks/common/stages.py": "unit/games/test_cgan.py",
    "networks/*.py": "unit/networks/test_networks.py",
    "games/gan.py": "zoo/test_games.py",
    "games/relativistic.py": "zoo/test_games.py",
    "games/wgan.py": "zoo/test_games.py",
    "games/common/adversarial.py": "zoo/test_games.py",
    "games/common/class_frequencies.py": "zoo/test_conditions.py",
    "games/common/label_map_game.py": "unit/games/test_gaugan.py",
    "games/common/pyramid_game.py": "zoo/test_recipes.py",
    "games/common/text_game.py": "unit/games/test_stackgan.py",
    "games/common/turns.py": "zoo/test_games.py",
    "recipes/importing.py": "robustness/test_payloads.py",
    "recipes/*.py": "zoo/test_recipes.py",
    # the rest
    "data/checksums.py": "unit/data/test_cache.py",
    "data/dataset.py": "unit/data/sources/test_domains.py",
    "data/prefetch.py": "unit/runs/test_performance.py",
    "data/readahead.py": "unit/data/test_large.py",
    "data/summary.py": "unit/data/sources/test_files.py",
    "data/annotations/labels.py": "unit/data/sources/test_files.py",
    "data/annotations/palettes.py": "unit/inference/test_label_maps.py",
    "data/annotations/row_names.py": "unit/inference/test_latent_table.py",
    "data/sources/arrays.py": "unit/data/sources/test_files.py",
    "data/sources/download.py": "unit/data/sources/test_standard.py",
    "data/sources/image_sources.py": "unit/data/sources/test_files.py",
    "data/sources/images.py": "robustness/test_hostile_data.py",
    "data/sources/layouts.py": "unit/data/sources/test_domains.py",
    "data/sources/proportions.py": "unit/data/sources/test_domains.py",
    "data/sources/readable.py": "unit/data/test_cache.py",
    "errors.py": "robustness/test_invalid_values.py",
    "evaluation/single_image.py": "unit/inference/test_single_image.py",
    "evaluation/types.py": "unit/evaluation/test_evaluator.py",
    "game.py": "unit/training/test_trainer.py",
    "metrics/extractors/base.py": "unit/metrics/extractors/test_classifier.py",
    "metrics/extractors/inception_*.py": "unit/metrics/extractors/test_inception.py",
    "objectives/batch_statistics.py": "zoo/test_accumulation.py",
    "reports/next_steps.py": "unit/inference/test_single_image.py",
    "runs/memory.py": "robustness/test_invalid_values.py",
    "runs/outputs.py": "robustness/test_targets.py",
    "runs/recipe_args.py": "unit/runs/test_run.py",
    "runs/state.py": "unit/runs/test_performance.py",
    "schedules.py": "unit/games/test_r3gan.py",
    "training/devices.py": "unit/training/test_distributed.py",
    "training/finite.py": "unit/runs/test_recovery.py",
    "training/gradient_sync.py": "unit/training/test_distributed.py",
    "training/parent_watch.py": "robustness/test_orphans.py",
    "training/rendezvous.py": "robustness/test_orphans.py",
    "wrappers/lr_schedule.py": "unit/recipes/test_techniques.py",
    "wrappers/requirements.py": "zoo/test_matrix.py",
}
"""Modules, or patterns of modules, without a test file of their own, and the file that tests them."""

SEVERAL_MODULES = {
    "unit/augment/test_augment.py",
    "unit/cli/test_cli.py",
    "unit/data/test_large.py",
    "unit/experiments/test_compare.py",
    "unit/inference/test_text.py",
    "unit/metrics/test_monotone.py",
    "unit/networks/test_architectures.py",
    "unit/networks/test_networks.py",
    "unit/tasks/test_new_ability.py",
    "unit/tasks/test_tasks.py",
    "unit/theory/test_lessons.py",
    "unit/wrappers/test_parallel.py",
}
"""Files under tests/unit that test several modules of their package, or one property of them."""


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the modules that a file imports or names in a string, with the names imported from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(re.findall(r"sparring(?:\.\w+)+", node.value))
    return frozenset(found)


def public_modules() -> list[str]:
    """Return the paths of public modules below the package."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return sorted(str(path) for path in paths if not any(part.startswith("_") for part in path.parts))


def test_of(module: str) -> Path:
    path = Path(module)
    return TESTS / "unit" / path.parent / f"test_{path.name}"


test_of.__test__ = False  # type: ignore[attr-defined]
UNMIRRORED = [module for module in public_modules() if not test_of(module).exists()]


def file_of(name: str) -> Path | None:
    """Return the file of a module of the package or of tests/support."""
    base = ROOT.parent if name.startswith("sparring") else TESTS
    stem = base.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()), None)


def reaches(path: Path, module: str) -> bool:
    """Whether a file imports a module or its package, directly or by at most two modules between them."""
    dotted = "sparring." + module.removesuffix(".py").replace("/", ".")
    package = dotted.rpartition(".")[0]
    names = imported(path)
    if ({dotted, package} - {"sparring"}) & names:
        return True
    between = {other for name in names if (other := file_of(name))}
    between |= {other for path in between for name in imported(path) if (other := file_of(name))}
    return any(dotted in imported(other) for other in between)


def entry(module: str) -> str | None:
    return next((file for pattern, file in TESTED_ELSEWHERE.items() if fnmatch(module, pattern)), None)


@pytest.mark.parametrize("module", UNMIRRORED)
def test_every_public_module_has_a_test_file_or_an_entry(module):
    file = entry(module)
    assert file, f"{test_of(module).relative_to(TESTS)} does not exist and TESTED_ELSEWHERE has no entry"
    assert (TESTS / file).exists(), file
    assert reaches(TESTS / file, module), f"{file} does not import {module}"


def test_no_entry_is_stale():
    for pattern in TESTED_ELSEWHERE:
        assert any(fnmatch(module, pattern) for module in UNMIRRORED), pattern
    for file in SEVERAL_MODULES:
        assert (TESTS / file).exists(), file


def test_every_test_file_is_named_after_a_module():
    mirrored = {test_of(module) for module in public_modules()}
    mirrored |= {TESTS / "unit" / "test_interpolation.py"}  # of the private module of that name
    files = sorted(TESTS.rglob("test_*.py"))
    assert {path.relative_to(TESTS).parts[0] for path in files} <= FOLDERS
    unit = {path for path in files if path.is_relative_to(TESTS / "unit")}
    assert {str(path.relative_to(TESTS)) for path in unit - mirrored} == SEVERAL_MODULES


def test_no_test_module_imports_from_another():
    for path in TESTS.rglob("*.py"):
        parts = {name for name in imported(path) if any(part.startswith("test_") for part in name.split("."))}
        assert not {name for name in parts if name.partition(".")[0] in FOLDERS - {"support"}}, path


def test_no_helper_is_copied():
    seen: dict[str, Path] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("test_"):
                body = ast.dump(node)
                if node.end_lineno - node.lineno >= LINES_OF_A_COPY:
                    assert body not in seen, f"{path.name} and {seen[body].name}: {node.name}"
                    seen[body] = path


LINES_OF_A_COPY = 4
"""Shorter helpers are clearer where they are used."""
