"""What decays in the store or the cache, or lies under another key, is found and made again."""

import json
import os
import shutil

import numpy as np
import pytest
from toys import NONE, ROUND, Round, benchmark, values

from harness.api import carry_out
from harness.compress.text.calibration import CalibrationSpec
from harness.errors import CorruptError
from harness.fetch import checksum
from harness.runner import work
from harness.runner.keys import Keys
from harness.runner.status import Status
from harness.spec.specs import CompressorSpec
from harness.store.store import Kind


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the hero is on a ferry then " * 160)
    return path


def calibrated(path, steps=4):
    spec = CalibrationSpec(f"file:{path}", samples=16, length=63)
    return CompressorSpec(
        "calibrated",
        target=f"{__name__}:Calibrated",
        options={"calibration": spec, "steps": steps},
        method="toy",
        calibrated=True,
    )


class Calibrated(Round):
    """A compressor that wants a text, and does not read it."""

    def __init__(self, calibration, steps):
        super().__init__(steps)
        self.calibration = calibration


def flip(path, at):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 4
    path.write_bytes(raw)


def keys_of_plan(plan, compressor=NONE):
    return Keys(next(iter(plan.files.values())).fingerprint, compressor, "float32")


def forget_results(store):
    """Leave the weights and the reports alone, as when a benchmark is added later."""
    for kind in (Kind.SCORE, Kind.RECORDING):
        shutil.rmtree(store.root / kind)


def set_aside(store):
    return [path.parent.parent.name for path in store.root.rglob("*.corrupt-*")]


@pytest.mark.parametrize("damage", ["flip", "another"])
def test_kept_weights(planning, store, text, damage):
    """A bit of them flips, or those of another variant of the same shapes lie there."""
    wanted, other = calibrated(text), calibrated(text, steps=3)
    cells, board = carry_out(planning([benchmark("Hidden")], [wanted]))
    assert cells[0].status is Status.DONE
    path = store.weights_path(keys_of_plan(planning(), wanted).variant)
    if damage == "flip":
        flip(path, path.stat().st_size - 1001)
    else:
        carry_out(planning([benchmark("Hidden")], [other]))
        theirs = store.weights_path(keys_of_plan(planning(), other).variant)
        assert theirs != path
        shutil.copy(theirs, path)
    forget_results(store)
    again, repaired = carry_out(planning([benchmark("Hidden")], [wanted]))
    assert again[0].status is Status.DONE
    np.testing.assert_array_equal(values(repaired), values(board))
    assert set_aside(store) == ["weights"]


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_report_of_compression(planning, store, damage):
    plan = planning([benchmark("Hidden")], [NONE, ROUND])
    _, board = carry_out(plan)
    path = store.path(Kind.COMPRESSION, keys_of_plan(plan, ROUND).variant)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:600])
    elif damage == "flip":
        flip(path, 2000)
    else:
        path.unlink()
    again, repaired = carry_out(planning([benchmark("Hidden")], [NONE, ROUND]))
    assert {cell.status for cell in again} == {Status.DONE}
    for name in ("bits_per_weight", "sparsity", "perplexity"):
        found = repaired["compression"][name].values
        np.testing.assert_array_equal(found, board["compression"][name].values)
        assert np.isfinite(found).all()


@pytest.mark.parametrize("kind", [Kind.SCORE, Kind.RECORDING, Kind.COMPRESSION])
def test_a_file_under_another_key(planning, store, kind):
    both = [benchmark("Hidden"), benchmark("Whole2")]
    plan = planning(both, [NONE, ROUND])
    cells, board = carry_out(plan)
    keys = [keys_of_plan(plan, c) for c in (NONE, ROUND)]
    if kind is Kind.SCORE:
        mine, theirs = cells[0].key, cells[1].key
    elif kind is Kind.RECORDING:
        (request,) = plan.benchmarks["toy-hidden"].requests
        mine, theirs = (k.recording(request) for k in keys)
        store.remove(Kind.SCORE, cells[0].key)
    else:
        mine, theirs = (k.variant for k in keys)
    shutil.copy(store.path(kind, theirs), store.path(kind, mine))
    again, repaired = carry_out(planning(both, [NONE, ROUND]))
    assert {cell.status for cell in again} == {Status.DONE}
    np.testing.assert_array_equal(values(repaired), values(board))
    found = repaired["compression"]["bits_per_weight"].values
    np.testing.assert_array_equal(found, board["compression"]["bits_per_weight"].values)
    assert set_aside(store) == [kind]


def test_a_recording_that_decays_while_it_is_scored(planning, store, monkeypatch):
    """Its seal held when it was opened, or nobody asked it again."""
    plan = planning([benchmark("Hidden")], [NONE])
    (request,) = plan.benchmarks["toy-hidden"].requests
    key, scored = keys_of_plan(plan).recording(request), []
    original = work._score

    def decays(loaded, opened):
        path = store.path(Kind.RECORDING, key)
        if not scored:
            layer = store.read(Kind.RECORDING, key)["recording"].values[:, -1]
            flip(path, path.read_bytes().index(layer.tobytes()) + 11)
            # Nothing but what is read tells.
            opened.store._proved(Kind.RECORDING, key)
        scored.append(path)
        return original(loaded, opened)

    monkeypatch.setattr(work, "_score", decays)
    cells, _ = carry_out(plan)
    assert cells[0].status is Status.DONE, cells[0].reason
    assert len(scored) == 2
    assert set_aside(store) == [Kind.RECORDING]


def test_no_flipped_bit_of_a_stored_file_goes_unseen(planning, store):
    """Strings, attributes and headers alike: before, 30 of 460 ended in an AttributeError."""
    plan = planning([benchmark("Hidden")], [ROUND])
    cells, _ = carry_out(plan)
    path = store.path(Kind.SCORE, cells[0].key)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 200):
        flip(path, at)
        with pytest.raises(CorruptError, match="does not read back whole"):
            store.read(Kind.SCORE, cells[0].key)
        path.write_bytes(whole)
    store.read(Kind.SCORE, cells[0].key)


def rotten(path):
    """Flip a bit as a disk does: neither inode nor size nor times tell."""
    before = checksum.remembered_sha256(path)
    times = path.stat()
    flip(path, path.stat().st_size - 501)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    facts = checksum._facts(path.resolve())
    checksum._memory(path.resolve()).write_text(json.dumps({**facts, "sha256": before}))
    assert checksum.remembered_sha256(path) == before


def test_a_base_model_that_rots_is_found_when_it_is_loaded(planning, store):
    plan = planning([benchmark("Hidden")], [NONE])
    folder = next(iter(plan.files.values())).folder
    rotten(folder / "model.safetensors")
    cells, _ = carry_out(planning([benchmark("Hidden")], [NONE]))
    assert cells[0].status is Status.FAILED
    assert "has sha256" in cells[0].reason
    # Whoever runs again has another model before him: its files are what they are now.
    renamed = planning([benchmark("Hidden")], [NONE])
    assert next(iter(renamed.files.values())).fingerprint != plan.files.popitem()[1].fingerprint


def test_a_base_model_that_is_replaced_with_size_and_time_kept(planning):
    plan = planning([benchmark("Hidden")], [NONE])
    path = next(iter(plan.files.values())).folder / "model.safetensors"
    times = path.stat()
    flip(path, path.stat().st_size - 501)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = planning([benchmark("Hidden")], [NONE])
    assert again.files.popitem()[1].fingerprint != plan.files.popitem()[1].fingerprint
