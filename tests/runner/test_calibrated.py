"""Variants that are compressed with calibration: their text, their weights that are kept."""

import numpy as np
import pytest
from filelock import FileLock, Timeout
from toys import WORDS, benchmark, values

from harness.api import carry_out
from harness.runner import compression
from harness.store.store import Store


def statuses(cells):
    return [str(c.status) for c in cells]


def calibrated(path):
    from harness.compress.text.calibration import CalibrationSpec
    from harness.spec.specs import CompressorSpec

    spec = CalibrationSpec(f"file:{path}", samples=16, length=63)
    options = {"calibration": spec}
    return CompressorSpec(
        "calibrated", target="toys:Calibrated", options=options, method="toy", calibrated=True
    )


def test_calibration_text_that_holds_a_stimulus_is_refused(planning, store, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the hero is on a ferry then " * 160)
    fine = carry_out(planning([benchmark("Hidden", options={"words": 13})], [calibrated(path)]))
    assert statuses(fine[0]) == ["done"]
    path.write_text(f"{' '.join(WORDS)} " * 80)
    cells, _ = carry_out(planning([benchmark("Hidden", options={"words": 13})], [calibrated(path)]))
    # another text under the same name is another compressor: the old result is not found
    assert statuses(cells) == ["failed"]
    assert "toy-hidden/run" in cells[0].reason


@pytest.fixture
def compressions(monkeypatch):
    """Count how often the toy compresses."""
    import toys

    calls = []
    original = toys.Round.compress

    def spy(self, *arguments):
        calls.append(1)
        return original(self, *arguments)

    monkeypatch.setattr(toys.Round, "compress", spy)
    return calls


def test_kept_weights_serve_a_later_benchmark(planning, store, tmp_path, compressions):
    path = tmp_path / "text.txt"
    path.write_text("the hero is on a ferry then " * 160)
    both = [benchmark("Hidden"), benchmark("Logprob")]
    carry_out(planning(both[:1], [calibrated(path)]))
    assert len(list(store.root.glob("weights/*/*.safetensors"))) == 1
    later = values(carry_out(planning(both, [calibrated(path)]))[1])
    assert len(compressions) == 1
    fresh = Store(tmp_path / "fresh")
    plan = planning(both, [calibrated(path)], into=fresh, keep_weights=False)
    np.testing.assert_array_equal(values(carry_out(plan)[1]), later)
    assert len(compressions) == 2
    assert not (fresh.root / "weights").exists()


@pytest.mark.parametrize("harm", ["cut", "overwrite"])
def test_kept_weights_that_decayed_or_are_unwanted_are_made_again(
    planning, store, tmp_path, compressions, harm
):
    path = tmp_path / "text.txt"
    path.write_text("the hero is on a ferry then " * 160)
    both = [benchmark("Hidden"), benchmark("Logprob")]
    carry_out(planning(both[:1], [calibrated(path)]))
    (weights,) = store.root.glob("weights/*/*.safetensors")
    if harm == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    overwrite = "always" if harm == "overwrite" else "missing"
    cells, _ = carry_out(planning(both, [calibrated(path)], overwrite=overwrite))
    assert statuses(cells) == ["done"] * 2
    assert len(compressions) == 2


def test_kept_weights_do_not_escape_the_check_for_stimuli(planning, store, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(f"{' '.join(WORDS)} " * 80)
    short = benchmark("Hidden", options={"words": 3})
    assert statuses(carry_out(planning([short], [calibrated(path)]))[0]) == ["done"]
    long = benchmark("Hidden", options={"words": 13})
    cells, _ = carry_out(planning([long], [calibrated(path)]))
    assert statuses(cells) == ["failed"]
    assert "toy-hidden/run" in cells[0].reason


def test_two_processes_do_not_compress_one_variant_at_once(planning, store, tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text("the hero is on a ferry then " * 160)
    original, refused = compression.compress, []

    def watched(*arguments, **options):
        (lock,) = (store.root / "locks").glob("compression-*.lock")
        with pytest.raises(Timeout):
            FileLock(lock).acquire(timeout=0)
        refused.append(lock)
        return original(*arguments, **options)

    monkeypatch.setattr(compression, "compress", watched)
    cells, _ = carry_out(planning([benchmark("Hidden")], [calibrated(path)]))
    assert statuses(cells) == ["done"]
    assert len(refused) == 1
