"""Comparison of recipes, or of settings of one recipe, over seeds, with the same data and the same budget.

    trials(...)         one training for each entry and seed
    run_trials(...)     trains the unfinished trials, several at a time
    collect(...)        scores, tables and tests as plain values
    save_report(...)    compare.json, compare.md, compare.html

`sparring compare` calls these four functions.
"""

from sparring.experiments.cost import estimate_costs
from sparring.experiments.experiment import Budget, Entry, Protocol, Trial, trials
from sparring.experiments.report import save_report
from sparring.experiments.results import collect, inequalities
from sparring.experiments.trial import create_run, run_trial
from sparring.experiments.workers import Monitor, run_trials

__all__ = [
    "Budget",
    "Entry",
    "Monitor",
    "Protocol",
    "Trial",
    "collect",
    "create_run",
    "estimate_costs",
    "inequalities",
    "run_trial",
    "run_trials",
    "save_report",
    "trials",
]
