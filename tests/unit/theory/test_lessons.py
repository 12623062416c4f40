"""Lessons: every known number, the written page, and the error messages."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sparring.cli import main
from sparring.cli import theory as command
from sparring.errors import DataError
from sparring.theory.lessons import DATA, LESSONS, MODEL, Table, get_lessons, parse_pair, text
from sparring.theory.lessons.comparisons import turing_wasserstein
from sparring.theory.lessons.gradients import followed
from support.closed_forms import VALUES, P, Q

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "theory.md"

JSD = {0.1: 0.693146, 0.25: 0.632720, 0.5: 0.336831, 1: 0.111421, 2: 0.030311, 5: 0.004975}


@pytest.fixture(scope="module")
def lessons():
    return {lesson.name: lesson for lesson in get_lessons((), parse_pair())}


def rows(table):
    """The rows of a table by their first cell, those found by search without their label under the row above."""
    found, name = {}, ""
    for first, *rest in table.rows:
        if first in ("", "by search"):
            found[f"{name}, searched"] = rest if first == "by search" else rest[1:]
        else:
            name = first
            found[name] = rest
    return found


def near(*values, digits=1e-6):
    return pytest.approx(list(values), abs=digits)


def test_distances_of_the_pair(lessons):
    assert list(lessons["critics"].tables[0].rows[0]) == near(0.491947, 0.468157, 0.113266, 0.45, 0.6, 0.430303)


def test_best_critics_by_formula_and_by_search(lessons):
    share = P / (P + Q)
    expected = {
        "cross-entropy": share.tolist(),
        "cross-entropy, real target 0.9": [0.225, 0.6, 0.6, 0.75, 0.245455],
        "least squares 0, 1": share.tolist(),
        "least squares −1, 1": (2 * share - 1).tolist(),
        "hinge": [-1, 1, 1, 1, -1],
    }
    found = rows(lessons["critics"].tables[1])
    for name, outputs in expected.items():
        assert found[name][1:] == near(*outputs)
        assert found[f"{name}, searched"] == near(*outputs, digits=1e-5)


def test_least_losses_by_formula_and_by_search(lessons):
    found = rows(lessons["critics"].tables[2])
    assert found["cross-entropy"][1:] == near(1.159762, 1.159762)
    assert found["cross-entropy, were q = p"][1:] == near(1.386294, 1.386294)
    assert found["hinge"][1:] == near(1.10, 1.10)
    for _, formula, search in found.values():
        assert search == pytest.approx(formula, abs=1e-7)


def test_points_apart_and_points_under_noise(lessons):
    apart, noisy = lessons["supports"].tables
    for distance, kl, jsd, variation, work in apart.rows[:-1]:
        assert kl == math.inf
        assert [jsd, variation, work] == near(0.693147, 1, float(distance))
    assert list(apart.rows[-1][1:]) == near(0, 0, 0, 0)
    assert {float(scale): value for scale, value, _ in noisy.rows} == pytest.approx(JSD, abs=1e-6)
    assert noisy.rows[-1][1] == pytest.approx(noisy.rows[-1][2], rel=0.01)


def test_logits_under_noise(lessons):
    (table,) = lessons["noise"].tables
    for scale, slope, fitted, bias, fitted_bias in table.rows:
        assert slope == pytest.approx(-1 / float(scale) ** 2)
        assert bias == pytest.approx(1 / (2 * float(scale) ** 2))
        assert [fitted, fitted_bias] == pytest.approx([slope, bias], rel=2e-3)


def test_forward_covers_and_reverse_seeks(lessons):
    found = rows(lessons["directions"].tables[0])
    assert found["KL(p‖q), forward"][:2] == near(-0.4, math.sqrt(0.25 + 0.24 * 16))
    mean, deviation, _, price, _ = found["KL(q‖p), reverse"]
    assert [mean, deviation, price] == near(-2, 0.5, -math.log(0.6), digits=1e-3)
    mean, deviation, _, price, _ = found["the same, started on the right"]
    assert [mean, deviation, price] == near(2, 0.5, -math.log(0.4), digits=1e-3)
    assert found["JSD, started narrow"][4] < found["JSD, started wide"][4]
    for index, best in ((2, "KL(p‖q), forward"), (3, "KL(q‖p), reverse"), (4, "JSD, started narrow")):
        assert min(found, key=lambda name, i=index: found[name][i]) == best


def test_bounds_are_attained_by_the_best_critic_alone(lessons):
    found = rows(lessons["bounds"].tables[0])
    assert set(found) == set(VALUES)
    for name, (value, formula, search, half, blind) in found.items():
        assert [value, formula, search] == near(*3 * [VALUES[name]])
        assert blind < half
        assert half == pytest.approx(value) if name == "total-variation" else half < value - 0.01
        assert blind == pytest.approx(-math.log(4) if name == "gan" else 0, abs=1e-9)


def test_slopes_of_generators_as_the_critic_grows_sure(lessons):
    found = rows(lessons["gradients"].tables[0])
    assert found["−10"] == near(-4.5398e-5, -0.999955, -11, -1)
    assert found["0"] == near(-0.5, -0.5, -1, -1)


def test_what_a_gaussian_model_feels(lessons):
    found = rows(lessons["gradients"].tables[1])
    for distance, (minimax, non_saturating, squares, work) in found.items():
        assert minimax + non_saturating == pytest.approx(float(distance), abs=1e-6)
        assert work == pytest.approx(1, abs=1e-9)
        assert squares > 0
    assert max(found["8"][0], found["8"][2]) < 1e-3


def test_every_claim_on_what_is_followed_but_the_last_holds(lessons):
    verdicts = [row[-1] for row in lessons["gradients"].tables[2].rows]
    assert verdicts == ["yes"] * 9 + ["no"]
    assert [row[-1] for row in followed(parse_pair(".2,.2,.6", ".3,.3,.4"))] == verdicts
    assert "½χ²(p + q‖2q) = 0.215152" in " ".join(lessons["gradients"].blocks[-1:])


def test_realness(lessons):
    outputs, values = lessons["realness"].tables
    found = rows(outputs)
    assert found["D(x₁)"] == near(0.55425, 0.17325, 0.073, 0.04975, 0.14975)
    for index in range(1, 6):
        name = f"D(x{'₀₁₂₃₄₅'[index]})"
        assert found[f"{name}, searched"] == near(*found[name])
    for _, formula, search in rows(values).values():
        assert search == pytest.approx(formula, abs=1e-7)
    assert values.rows[-1][-1] == pytest.approx(1.159762, abs=1e-6)
    assert values.rows[0][-1] < values.rows[1][-1]


def test_comparing_critics(lessons):
    critics, losses = lessons["relativistic"].tables
    found = rows(critics)
    ratio = torch.log(P / Q)
    assert found["RSGAN"][1:] == near(*(ratio - ratio.mean()).tolist())
    assert found["RSGAN, searched"] == near(*found["RSGAN"][1:], digits=1e-5)
    assert found["T-SGAN, mean over b of T(a, b)"][1:] == near(*found["RSGAN"][1:], digits=1e-5)
    assert found["RaLSGAN"][0].startswith("1.215470 ")
    assert found["RaLSGAN, searched"] == near(*found["RaLSGAN"][1:], digits=1e-5)
    values = rows(losses)
    assert values["RSGAN"][1:] == near(0.490074, 0.490074)
    assert values["RaSGAN"][2] == pytest.approx(0.756117, abs=1e-6)
    assert values["RaLSGAN"][1:] == near(0.953959, 0.953959)
    assert values["T-SGAN"][1:] == near(0.980147, 0.980147)
    output = " ".join(block for block in lessons["relativistic"].blocks if isinstance(block, str))
    assert "gains 1.200000" in output
    assert "costs 1.200000" in output
    assert "0 to four digits" in output


def test_best_lipschitz_critic_of_pairs_is_that_of_a_linear_programme():
    optimize = pytest.importorskip("scipy.optimize")
    both, swapped = torch.outer(P, Q).flatten(), torch.outer(Q, P).flatten()
    constraints, lengths = [], []
    for i in range(25):
        for j in range(25):
            row = [0.0] * 25
            row[i] += 1
            row[j] -= 1
            constraints.append(row)
            lengths.append(abs(i // 5 - j // 5) + abs(i % 5 - j % 5))
    solution = optimize.linprog((swapped - both).numpy(), constraints, lengths, bounds=[(None, None)] * 25)
    assert turing_wasserstein(P, Q) == pytest.approx((1.2, 1.2), abs=1e-9)
    assert -solution.fun == pytest.approx(1.2, abs=1e-6)


def test_the_dirac_game(lessons):
    found = rows(lessons["dirac"].tables[0])
    eigenvalues = {"0": "0.000 ± 0.500i", "0.5": "−0.250 ± 0.433i", "1": "−0.500, −0.500", "4": "−0.064, −3.936"}
    assert {gamma: row[0] for gamma, row in found.items()} == eigenvalues
    _, together, end, in_turn, end_in_turn = found["0"]
    assert [together, in_turn] == near(math.sqrt(1.01), 1)
    assert end > 2 * math.sqrt(2)
    assert end_in_turn == pytest.approx(math.sqrt(2), rel=0.1)
    for gamma in ("0.5", "1", "4"):
        assert max(found[gamma][1], found[gamma][3]) < 1
        assert max(found[gamma][2], found[gamma][4]) < 0.05


def test_techniques(lessons):
    slopes, teams, averaging = lessons["techniques"].tables
    assert list(slopes.rows[0][1:]) == near(1.1, 1.1, 2.1, 2.1)
    assert list(slopes.rows[2][1:]) == near(11, 11, 12, 12)
    assert list(rows(teams)["3, each equal to p"]) == near(-2.249341, -2.249341)
    for formula, search in rows(teams).values():
        assert search == pytest.approx(formula, abs=1e-9)
    distances = [distance for _, distance in averaging.rows]
    assert distances == pytest.approx([2533, 0.0015, 0.091, 0.47], rel=0.04)


def test_the_page_is_what_the_command_writes(lessons):
    written = text(list(lessons.values()), parse_pair(), command.typed((), DATA, MODEL, Path("docs/explanation")))
    assert written == PAGE.read_text(), "run: sparring theory --out docs/explanation"
    for name in LESSONS:
        assert (PAGE.parent / "theory" / f"{name}.png").stat().st_size < 150_000
    assert len(list((PAGE.parent / "theory").iterdir())) == len(LESSONS)


def test_no_number_of_the_page_stands_on_the_edge_of_rounding(lessons):
    """Or another machine would write another page."""
    for name, lesson in lessons.items():
        for table in lesson.tables:
            for cell in (cell for row in table.rows for cell in row):
                if isinstance(cell, float) and math.isfinite(cell):
                    edge = abs(abs(cell) * 10**table.digits % 1 - 0.5)
                    assert edge > 1e-3, (name, table.heads, cell)


@pytest.mark.parametrize("name", LESSONS)
def test_every_picture_can_be_drawn(lessons, name):
    figure = lessons[name].picture.draw()
    assert all(axes.get_title(loc="left") for axes in figure.axes)


def test_the_command_shows_and_writes(capsys, tmp_path):
    words = ["theory", "supports", "critics", "--p", "1/2,1/2", "--q", ".25,.75", "--out", str(tmp_path / "page")]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert output.index("Distributions with disjoint supports") < output.index("The best critic")
    assert "0.632720" in output
    page = (tmp_path / "page" / "theory.md").read_text()
    assert f"`sparring theory supports critics --p 1/2,1/2 --q .25,.75 --out {tmp_path / 'page'}`" in page
    assert "p = (0.5, 0.5), the model q = (0.25, 0.75)" in page
    assert {path.name for path in (tmp_path / "page" / "theory").iterdir()} == {"supports.png", "critics.png"}


def test_equal_points_and_many_points_are_no_trouble():
    pair = parse_pair(".1,.1,.1,.1,.1,.1,.2,.2", ".2,.2,.1,.1,.1,.1,.1,.1")
    (lesson,) = get_lessons(["critics"], pair)
    found = rows(lesson.tables[1])
    assert found["hinge, searched"] == near(-1, -1, 0, 0, 0, 0, 1, 1, digits=1e-5)
    for _, formula, search in rows(lesson.tables[2]).values():
        assert search == pytest.approx(formula, abs=1e-7)
    lesson.picture.draw()
    assert [row[-1] for row in followed(pair)] == ["yes"] * 9 + ["no"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["criticks"], "did you mean 'critics'"),
        (["zzz"], "the lessons are critics, supports"),
        (["--p", "a,b"], "comma-separated"),
        (["--p", "1/0,1"], "comma-separated"),
        (["--p", "nan,1"], "above 0"),
        (["--p", "1"], "2 to 8"),
        (["--p", ",".join(["1/9"] * 9)], "2 to 8"),
        (["--p", ".5,.5,0", "--q", ".4,.3,.3"], "above 0"),
        (["--p", ".5,.6"], "sums to 1.1"),
        (["--p", ".5,.5"], "--p has 2 probabilities and --q 5"),
        (["--p", ".5,.5", "--q", ".5,.5"], "are the same"),
        (["--p", ".501,.499", "--q", ".5,.5"], "whole hundredths"),
    ],
)
def test_a_slip_gets_one_sentence(capsys, words, remedy):
    assert main(["theory", *words]) == 2
    output = capsys.readouterr().err
    assert output.startswith("sparring: ")
    assert output.count("\n") == 1
    assert remedy in output


def test_help_names_every_lesson_without_torch():
    code = "import sys; from sparring.cli import main; sys.exit(main(['theory', '--help']) or 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ", ".join(LESSONS) in " ".join(done.stdout.replace("│", " ").split())
    assert (DATA, MODEL) == command.PAIR


def test_cells():
    table = Table(("a", "b"), (("x", -0.00001), ("y", math.inf)), digits=3)
    assert table.cells() == [["x", "0.000"], ["y", "∞"]]
    assert table.markdown().splitlines()[1] == "| --- | ---: |"
    with pytest.raises(DataError, match="no lesson"):
        get_lessons(["nothing"], parse_pair())
