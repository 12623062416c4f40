"""Reports arrive: the numbers of many steps leave a device in one transfer, as means over the ranks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sparring.training import distributed
from sparring.training.trainer import StepReport


def waits(report: StepReport) -> bool:
    """Tells whether looking at a report means waiting for a device.

    Args:
        report: Straight from the trainer.
    """
    return any(value.device.type != "cpu" for value in report.terms.values())


def arrived(reports: list[StepReport]) -> list[StepReport]:
    """Returns reports whose numbers are means over the ranks and on the CPU, at the price of one transfer.

    Args:
        reports: Straight from the trainer.
    """
    if not reports:
        return []
    lots = [_numbers(report) for report in reports]
    flat = distributed.all_reduce_mean(torch.cat([numbers for lot in lots for numbers in lot])).cpu()
    parts = iter(flat.split([len(numbers) for lot in lots for numbers in lot]))
    return [_with(report, [next(parts) for _ in lot]) for report, lot in zip(reports, lots, strict=True)]


def _numbers(report: StepReport) -> list[Tensor]:
    """Returns all numbers of a report as tensors (n,)."""
    single = [*report.terms.values(), *report.skipped.values()]
    return [torch.stack([value.float() for value in single]), *(looked.values for looked in report.finite_checks)]


def _with(report: StepReport, numbers: list[Tensor]) -> StepReport:
    """Returns a report with other numbers."""
    single, *trail = numbers
    count = len(report.terms)
    return replace(
        report,
        terms=dict(zip(report.terms, single[:count], strict=True)),
        skipped=dict(zip(report.skipped, single[count:], strict=True)),
        finite_checks=tuple(
            replace(looked, values=values) for looked, values in zip(report.finite_checks, trail, strict=True)
        ),
    )
