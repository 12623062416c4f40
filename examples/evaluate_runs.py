"""Train two recipes with the same networks and budget, and compare their scores.

`sparring compare` does this over several seeds, with tests of significance; see docs/tutorials/compare.md.
"""

from pathlib import Path

import tyro

from sparring import Run
from sparring.evaluation import get_metrics
from sparring.runs import evaluate_run, save_evaluation


def main(
    recipes: tuple[str, str] = ("nsgan", "wgan-gp"), out: Path = Path("runs/two"), steps: int = 1000, samples: int = 500
) -> None:
    """Train and evaluate two recipes on handwritten digits.

    Args:
        recipes: Names of recipes.
        out: Folder for both runs.
        steps: Training steps of each.
        samples: Generated samples to evaluate.
    """
    for recipe in recipes:
        arguments = {"networks": {"network": "dcgan", "width": 16}}
        run = Run.create(out / recipe, recipe, data="digits", size=16, hold_out=0.2, arguments=arguments)
        for _ in run.fit(steps=steps):
            pass
        result = save_evaluation(run, evaluate_run(run, metrics=get_metrics(["frechet", "precision"]), samples=samples))
        for kind, scores in {"generated": result.scores, **result.references}.items():
            print(f"{recipe:<10}{kind:<12}" + "   ".join(f"{score.name} {score.value:.3f}" for score in scores))


if __name__ == "__main__":
    tyro.cli(main)
