"""Trials for the tests of comparisons."""

from sparring.experiments import (
    Budget,
    Entry,
    Protocol,
    Trial,
)


def make_trial(folder, name="nsgan", seed=0, steps=4):
    protocol = Protocol(Budget("steps", steps), {"data": "ring", "batch_size": 8, "device": "cpu"}, "f", samples=50)
    return Trial(
        Entry(name, {"networks": {"width": 4}}, {}, name), seed, protocol, folder / "trials" / f"{name}-{seed}"
    )
