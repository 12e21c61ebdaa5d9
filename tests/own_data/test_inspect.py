"""The sanity page: what is drawn, what is refused, and that a shift of the clocks shows."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from harness.cli.new_benchmark import scaffold_benchmark
from harness.errors import DataError
from harness.own_data.inspect.findings import Level
from harness.own_data.inspect.inspection import Inspection, inspect_data
from harness.own_data.inspect.lags import LAGS, lag_curve
from harness.own_data.inspect.values import count_values

RUNS = ("run1", "run2")
VOLUMES = 160


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people whose two regions follow the words two volumes (4 s) later."""
    made = tmp_path / "lab"
    scaffold_benchmark("lab", made)
    rng = np.random.default_rng(5)
    for run in RUNS:
        onsets = np.cumsum(rng.gamma(1.5, 0.5, 430))
        onsets = onsets[onsets < 2 * VOLUMES]
        rows = [f"{t:.3f}\t0.2\tword" for t in onsets]
        (made / "events" / f"{run}.tsv").write_text(
            "\n".join(["onset\tduration\tword", *rows]) + "\n"
        )
        rate = np.histogram(onsets, np.arange(0, 2 * VOLUMES + 1, 2.0))[0]
        late = np.r_[rate[:2], rate[:-2]].astype(float)
        late = (late - late.mean()) / late.std()
        for person in ("p1", "p2", "p3"):
            noise = rng.normal(size=(VOLUMES, 2))
            values = late[:, None] * [1.0, -1.0] + noise
            np.save(made / "responses" / f"{person}_{run}.npy", values.astype("f4"))
    return made


def each(folder: Path, change: Callable[[np.ndarray], np.ndarray], only: str = "*") -> None:
    for path in sorted((folder / "responses").glob(f"{only}.npy")):
        np.save(path, change(np.load(path).copy()))


def said(folder: Path, old: str, new: str) -> None:
    path = folder / "benchmark.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refusals(found: Inspection) -> list[str]:
    return [f.what for f in found.findings if f.level is Level.REFUSED]


def test_sound_data_are_sound_and_follow_the_words_after_four_seconds(folder: Path) -> None:
    found = inspect_data(f"data:{folder}")
    assert found.findings == []
    assert found.sound
    assert found.lags is not None
    assert found.lags.best == 2
    assert found.lags.p == pytest.approx(1 / 200)
    # Two regions of opposite sign: their mean is noise, and each follows.
    assert found.lags.spread.max() > 0.6
    assert abs(found.lags.mean[:, 8]).max() < 0.3
    assert list(found.runs["volumes"]) == [VOLUMES] * 2
    assert found.arrays["deviation"].between(1.2, 1.6).all()
    share = found.spectrum.groupby("participant")["power"].sum()
    np.testing.assert_allclose(share, 1.0)


@pytest.mark.parametrize("volumes", [-4, 7])
def test_a_clock_that_is_off_is_seen(folder: Path, volumes: int) -> None:
    said(folder, "start = 1.0", f"start = {1.0 - 2 * (2 - volumes)}")
    found = inspect_data(str(folder))
    assert found.sound
    assert found.lags is not None
    assert found.lags.best == volumes
    (told,) = found.findings
    assert f"best at {volumes:+d} volumes ({2 * volumes:+.1f} s" in told.what


def zeros(values: np.ndarray) -> np.ndarray:
    return values * 0


def filled(values: np.ndarray) -> np.ndarray:
    values[[7, 30], 1] = -9999.0
    return values


def whole_volume(values: np.ndarray) -> np.ndarray:
    wide = np.tile(values, (1, 5)) + np.arange(10)
    wide[12] = 0.0
    return wide


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "tr in milliseconds": (
        lambda f: said(f, "tr = 2.0", "tr = 2000.0"),
        "its volumes from 1 to 318,001 s",
    ),
    "clocks that barely meet": (
        lambda f: said(f, "start = 1.0", "start = 310.0"),
        "its volumes from 310 to 628 s",
    ),
    "regions by volumes": (lambda f: each(f, np.transpose), "is (2, 160), and there are 2 rois"),
    "a fill value": (lambda f: each(f, filled, "p2_run1"), "fill values: -9999 (2 times)"),
    "a run of zeros": (lambda f: each(f, zeros, "p3_run2"), "p3, run run2 is constant"),
    "a run of NaN": (lambda f: each(f, lambda v: v + np.nan, "p3_run2"), "no finite value"),
    "other volumes": (lambda f: each(f, lambda v: v[:-9], "p1_run1"), "volumes differ: p1 151"),
    "other columns": (lambda f: each(f, lambda v: v[:, :1], "p1_run1"), "columns differ by run"),
    "a file that is gone": (lambda f: (f / "responses/p1_run1.npy").unlink(), "p1_run1.npy"),
    "words without a header": (
        lambda f: [(f / "events/run1.tsv").write_text("a\tb\n"), None][1],
        "lacks the columns",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused(folder: Path, name: str) -> None:
    damage, words = REFUSED[name]
    damage(folder)
    found = inspect_data(str(folder))
    assert not found.sound
    assert any(words in what for what in refusals(found)), found.findings


def test_parcels_by_volumes_that_nearly_meet_the_words(folder: Path) -> None:
    """140 parcels and 160 volumes: on their side the clocks meet, and another run tells."""
    said(folder, 'rois = ["IFG", "STG"]', "")
    each(folder, lambda v: np.tile(v, (1, 70)).T)
    each(folder, lambda v: v[:, :-30], "*_run2")
    found = inspect_data(str(folder))
    assert any("(140, 160): all runs have 140 rows" in what for what in refusals(found))


def test_a_volume_of_one_value(folder: Path) -> None:
    said(folder, 'rois = ["IFG", "STG"]', "")
    each(folder, whole_volume)
    (first, *_) = refusals(inspect_data(str(folder)))
    assert "volumes 12 hold one value in every column" in first


def test_values_that_are_usual_are_no_fill_values() -> None:
    """Whole numbers come back; spikes are far; neither is a value that nobody measured."""
    rng = np.random.default_rng(0)
    whole = np.round(rng.normal(1000, 30, (300, 20)))
    whole[17] += 4000 + np.arange(20)  # a spike
    counts = count_values(whole)
    assert counts.fill == {}
    assert counts.alike == ()
    assert (counts.constant, counts.stopped, counts.missing) == (0, 0, 0.0)


def test_lags_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    runs = np.repeat([0, 1], [70, 90])
    rate, responses = rng.normal(size=160), rng.normal(size=(160, 3))
    found = lag_curve(rate, [responses], runs, 2.0, cutoff=1e9, shifts=3)
    z = np.zeros((160, 4))
    for label in (0, 1):
        rows = runs == label
        part = np.column_stack([rate, responses])[rows]
        z[rows] = (part - part.mean(axis=0)) / part.std(axis=0)
    for i, lag in enumerate(LAGS):
        products = [
            z[t, 0] * z[t + lag, 1:]
            for t in range(160)
            if 0 <= t + lag < 160 and runs[t] == runs[t + lag]
        ]
        r = np.mean(products, axis=0)
        np.testing.assert_allclose(found.spread[i], np.sqrt(np.mean(r**2)), atol=1e-12)


def test_noise_follows_nothing() -> None:
    """p is uniform where nothing is to be found, in smooth noise, too."""
    rng = np.random.default_rng(2)
    small = 0
    for seed in range(60):
        smooth = np.apply_along_axis(
            lambda x: np.convolve(x, np.ones(4), "same"), 0, rng.normal(size=(200, 3))
        )
        rate = np.convolve(rng.normal(size=200), np.ones(3), "same")
        runs = np.zeros(200, int)
        small += lag_curve(rate, [smooth], runs, 2.0, shifts=39, seed=seed).p <= 0.1
    assert small <= 13  # 6 expected, standard deviation 2.3


def test_the_page_and_its_pictures(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("vl_convert")
    out = tmp_path / "page"

    def command(*more: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["brainpress", "inspect", f"data:{folder}", *more])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().out

    code, printed = command("--out", str(out))
    assert code == 0
    assert "brainpress run -m MODEL" in printed
    page = (out / "index.html").read_text()
    assert page.count("<svg") == 6
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    names = {p.stem for p in out.glob("*.png")}
    assert names == {"clocks", "words", "lags", "spectrum", "variance", "change"}
    each(folder, np.transpose)
    code, printed = command("--json")
    assert code == 1
    assert json.loads(printed)["sound"] is False
    assert "transpose them" in printed
    code, _ = command("--out", str(out))
    assert code == 1
    assert "cannot be meant" in (out / "index.html").read_text()


def test_no_description(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no description"):
        inspect_data(f"data:{tmp_path}")


@pytest.mark.needs_data("brennan2016_alice")
def test_alice_follows_its_words_and_a_shifted_copy_too_early(tmp_path: Path) -> None:
    from brainpress_plugins.benchmarks.neural.brennan2016_alice import (
        FILES,
        ROIS,
        TEXTGRID,
        _columns,
        _timecourses,
    )

    shutil.copy(FILES.path(TEXTGRID), tmp_path / "words.TextGrid")
    people = []
    for person, file in _timecourses(6):
        people.append(person)
        np.save(tmp_path / f"{person}.npy", _columns(file, 362, 6))
    for start, best in ((20.0, 2), (6.0, -5)):
        (tmp_path / "benchmark.toml").write_text(
            f'name = "alice"\nparticipants = {json.dumps(people)}\ntr = 2.0\ncutoff = 128.0\n'
            f'responses = "{{participant}}.npy"\nrois = {json.dumps(ROIS)}\n[[runs]]\n'
            f'name = "chapter"\nevents = "words.TextGrid"\nstart = {start}\n'
        )
        found = inspect_data(str(tmp_path))
        assert found.lags is not None
        assert (found.lags.best, found.lags.p) == (best, 1 / 200)
        # The 28th file of the authors' 27 listeners holds one value.
        assert refusals(found) == ["participant s33, run chapter is constant (zeros, a fill value)"]
    (tmp_path / "benchmark.toml").write_text(
        (tmp_path / "benchmark.toml").read_text().replace('"s33", ', "")
    )
    (told,) = inspect_data(str(tmp_path)).findings
    assert "best at -5 volumes (-10.0 s, p = 0.005)" in told.what
