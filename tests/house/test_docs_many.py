"""The page on many processes: its calculation follows the formula, its tables agree with the record."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.speed import scaling


def test_a_ring_of_two_sends_every_byte_once_and_a_large_one_twice():
    link = scaling.Link(latency=1e-3, bandwidth=1e6)
    assert link.seconds(1, 5, 1e6) == 0
    assert link.seconds(2, 3, 1e6) == pytest.approx(3 * 2e-3 + 1)
    assert link.seconds(64, 1, 1e6) == pytest.approx(126e-3 + 2 * 63 / 64)


def test_a_link_is_found_again_from_what_its_messages_took():
    link = scaling.Link(latency=40e-6, bandwidth=2e9)
    found = scaling.fitted({str(size): link.seconds(2, 1, size) for size in scaling.SIZES})
    assert found.latency == pytest.approx(link.latency, rel=1e-3)
    assert found.bandwidth == pytest.approx(link.bandwidth, rel=1e-3)


def test_efficiency_is_what_is_left_of_a_step_for_its_own_work():
    case = {"gflop_an_image": 20e3 / scaling.GPU_BATCH, "messages_a_step": 0, "bytes_a_step": 25e9}
    figures = scaling.on_paper(case)
    assert figures["step_of_one_seconds"] == pytest.approx(1)
    hops = 2 * scaling.RUNS_OWN * 10e-6
    assert figures["efficiency"]["InfiniBand, 25 GB/s, 10 µs"]["2"] == pytest.approx(1 / (2 + hops))


def test_the_page_agrees_with_the_record():
    page, record = scaling.PAGE.read_text(), json.loads(scaling.OUT.read_text())
    assert all(scaling.on_paper(case) == case["on_paper"] for case in record["cases"].values())
    assert scaling.quoted(page, record) == page
    record["cases"]["dcgan32"]["bytes_a_step"] += 1
    assert scaling.quoted(page, record) != page


def test_the_work_of_an_image_is_counted_on_a_real_step():
    case = scaling.Case("small", scaling.named("dcgan", networks=scaling.Networks(width=4)), 2, 1)
    assert scaling.work(case) > 1e6
