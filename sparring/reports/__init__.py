"""HTML reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring._lazy import lazy_names

if TYPE_CHECKING:
    from sparring.reports.cycle_report import write_cycle_report
    from sparring.reports.run_report import save_report

__all__ = [
    "save_report",
    "write_cycle_report",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "cycle_report": ["write_cycle_report"],
        "run_report": ["save_report"],
    },
)
