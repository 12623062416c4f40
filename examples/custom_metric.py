"""Evaluate a run with a metric of your own.

A metric is a function from an `EvalContext` (real and generated samples) to its scores, and a `Metric` that names them.
"""

from pathlib import Path

import tyro

from sparring import Run
from sparring.evaluation import EvalContext, Metric
from sparring.metrics import Direction
from sparring.runs import evaluate_run


def ink(case: EvalContext) -> list[tuple[float, None]]:
    """Return the difference of mean brightness, and the ratio of its spread over images (1 is right)."""
    real, fake = (samples.scaled.flatten(1).mean(1) for samples in (case.real, case.fake))
    difference = (fake.mean() - real.mean()).abs().item()
    return [(difference, None), ((fake.std() / real.std()).item(), None)]


INK = Metric(
    {"brightness difference": Direction.LOWER, "brightness spread": Direction.HIGHER},
    ink,
    frozenset({"images", "pixels"}),
)


def main(out: Path = Path("runs/metric"), steps: int = 500, samples: int = 500) -> None:
    """Train the non-saturating GAN on handwritten digits and evaluate it.

    Args:
        out: The run's folder.
        steps: Training steps.
        samples: Generated samples to evaluate.
    """
    arguments = {"networks": {"network": "dcgan", "width": 16}}
    run = Run.create(out, "nsgan", data="digits", size=16, hold_out=0.2, arguments=arguments)
    for _ in run.fit(steps=steps):
        pass
    result = evaluate_run(run, metrics={"ink": INK}, samples=samples)
    for kind, scores in {"generated": result.scores, **result.references}.items():
        print(f"{kind:<12}" + "   ".join(f"{score.name} {score.value:.3f}" for score in scores))


if __name__ == "__main__":
    tyro.cli(main)
