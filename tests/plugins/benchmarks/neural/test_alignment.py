"""When words were heard and volumes taken, in seconds and in rows: fixed to known values.

An hour of alignment faults hides behind a score that is a little lower. Every number here is typed,
from the files, their documentation or the authors' own regressors; none is computed by the loader
that it tests. Clocks of LeBel, the Little Prince, Narratives and the podcast are fixed on their
miniatures, beside the faults of their files.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from brainpress_plugins.benchmarks.neural import brennan2016_alice as alice
from brainpress_plugins.benchmarks.neural import deniz2019, littleprince_files, narratives_files
from brainpress_plugins.benchmarks.neural.simulated_story import story

from harness.encode.design.features import delayed
from harness.place.locate import find
from harness.stimuli.lanczos import lanczos_matrix
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Lanczos
from harness.stimuli.speech import spoken
from harness.stimuli.textgrid import TextGridInterval, read_textgrid
from harness.stimuli.triggers import read_report, story_clock, used_volumes


def canonical_response(seconds: np.ndarray) -> np.ndarray:
    """Double-gamma response of SPM: peaks after 5 s, undershoots after 15 s."""
    positive = np.maximum(seconds, 0)
    peak, undershoot = (scipy.stats.gamma.pdf(positive, a) for a in (6, 16))
    return np.where(seconds > 0, peak - undershoot / 6, 0.0)


@pytest.mark.needs_data("brennan2016_alice")
class TestAlice:
    @pytest.fixture
    def benchmark(self):
        return alice.Alice()

    def test_first_and_last_words(self, benchmark):
        passage = benchmark.passage
        assert passage.items[:3] == ("Alice", "was", "beginning")
        np.testing.assert_allclose(passage.onsets[:3], [20.0589, 20.6216, 20.8435], atol=1e-3)
        np.testing.assert_allclose(passage.offsets[:2], [20.6216, 20.8435], atol=1e-3)
        assert passage.items[-1] == "cake"
        assert passage.offsets[-1] == pytest.approx(743.3351, abs=1e-3)

    def test_volumes_are_two_seconds_apart_from_20_s_on(self, benchmark):
        (request,) = benchmark.requests()
        (times,) = request.readout.times
        assert (times[0], times[1], times[-1], len(times)) == (20.0, 22.0, 742.0, 362)

    def test_the_clock_is_that_of_the_authors_own_word_rate(self, benchmark):
        """``s18-rate.txt`` is their regressor: words, convolved; it fits no other second."""
        published = np.loadtxt(find("brennan2016_alice/alice_data_shared/s18-rate.txt"))
        onsets = np.array(benchmark.passage.onsets)
        times = np.array(benchmark.requests()[0].readout.times[0])

        def fit(shift: float) -> float:
            seconds = times[:, None] + shift - onsets
            return float(np.corrcoef(canonical_response(seconds).sum(axis=1), published)[0, 1])

        assert fit(0.0) > 0.98
        assert fit(0.0) > max(fit(-1.0), fit(1.0)) + 0.03

    def test_first_rows_of_the_files(self, benchmark):
        s18 = dict(alice._timecourses(6))["s18"]
        values = alice._columns(s18, 362, 6)
        np.testing.assert_allclose(
            values[0], [80.8910, 91.1290, 164.4505, 238.6838, 101.0824, 165.4331], atol=1e-4
        )
        kept = benchmark.responses
        order = kept.participants.index("s18")
        raw = (values[:, 3] - values[:, 3].mean()) / values[:, 3].std()
        np.testing.assert_allclose(kept.values[order, :, kept.rois.index("LIPL")], raw, atol=1e-9)

    def test_motion_begins_ten_rows_into_its_file(self):
        """The file has 372 rows; the first is the reference volume, all zeros."""
        motion = alice._motion("s18")
        assert motion.shape == (362, 6)
        np.testing.assert_allclose(motion[0, :3], [-0.0413113, -0.0930670, 0.7375163], atol=1e-6)

    def test_nuisance_of_the_first_volumes(self, benchmark):
        nuisance = benchmark.responses.nuisance
        np.testing.assert_allclose(nuisance["word rate"][:2], [2.48679, 5.77763], atol=1e-4)
        np.testing.assert_allclose(nuisance["sound power"][:2], [-8.6781e-6, 1.4994e-4], rtol=1e-4)


@pytest.mark.needs_data("deniz2019/textgrids", "deniz2019/trfiles")
class TestDeniz:
    @pytest.mark.parametrize(
        ("name", "word", "onset", "start"),
        [("avatar", "tom", 4.91134, 10.027448), ("wheretheressmoke", "i", 0.01247, 10.027472)],
    )
    def test_stories_start_ten_seconds_after_the_first_volume(self, name, word, onset, start):
        report = read_report(find(f"deniz2019/trfiles/{name}.report"))
        assert report.start == pytest.approx(start, abs=1e-5)
        assert report.triggers[:2] == pytest.approx([0.0, 2.004], abs=2e-3)
        first = story_clock(3, deniz2019.TR, report.start)
        # row 10 of the run: its middle is 10.5 TR after the first trigger
        assert first[0] == pytest.approx(10.5 * 2.0045 - start, abs=1e-4)
        assert first[1] - first[0] == pytest.approx(2.0045)
        grid = read_textgrid(find(f"deniz2019/textgrids/{name}.TextGrid"))
        passage = spoken(name, grid["word"])
        assert passage.items[0] == word
        assert passage.onsets[0] == pytest.approx(onset, abs=1e-4)


class TestNarratives:
    @pytest.mark.parametrize(
        ("name", "volumes", "first"),
        [
            ("black", slice(14, 541), 1.5 * 14.5 - 12.0),
            ("pieman", slice(16, 291), 1.5 * 16.5),
            ("lucy", slice(7, 362), 8.25),
            ("tunnel", slice(8, 1025), 1.5 * 8.5 - 3.0),
            ("reach", slice(652, 1196), 1.5 * 652.5 - 4.5),
        ],
    )
    def test_volumes_and_their_middles(self, name, volumes, first):
        told = narratives_files.STORIES[name]
        clock = narratives_files.clock(told)
        assert narratives_files.used_volumes(told) == volumes
        assert clock[0] == pytest.approx(first, abs=1e-9)
        assert clock[1] - clock[0] == pytest.approx(1.5)
        assert len(clock) == volumes.stop - volumes.start


def test_pictures_of_the_little_prince_are_in_seconds():
    """10 to 25, 35 to 55 and 60 to 75 s: with a TR of 2 s, the fifth volume is the first."""
    shown = littleprince_files.pictures((45, 30))
    assert np.flatnonzero(shown["picture"]).min() == 5
    assert shown["picture"].sum() * 2.0 == pytest.approx(15 + 20 + 15)


def test_the_simulated_story_begins_after_its_silence():
    first, second = story.passages()
    assert first.onsets[0] == pytest.approx(2.0)
    assert second.onsets[0] == pytest.approx(2.0)
    assert first.offsets[0] - first.onsets[0] == pytest.approx(
        0.12 + 0.052 * sum(c.isalpha() for c in first.items[0]), abs=1e-6
    )


class TestSpeech:
    GRID = (
        TextGridInterval(0.0, 0.4, "sp"),
        TextGridInterval(0.4, 0.4, "UH"),  # an aligner gives short words no length
        TextGridInterval(0.4, 0.9, "{THE}"),
        TextGridInterval(0.9, 1.1, "{BR}"),
        TextGridInterval(1.1, 1.5, "Cat "),
        TextGridInterval(1.5, 1.5, "s"),
    )

    def test_words_without_length_are_words(self):
        passage = spoken("s", self.GRID)
        assert passage.items == ("uh", "the", "cat", "s")
        assert passage.onsets == (0.4, 0.4, 1.1, 1.5)
        assert passage.offsets == (0.4, 0.9, 1.5, 1.5)
        np.testing.assert_allclose(passage.midpoints, [0.4, 0.65, 1.3, 1.5])
        assert passage.text == "uh the cat s"

    def test_a_row_of_the_recording_is_a_sum_over_words_at_their_middles(self):
        passage = spoken("s", self.GRID)
        times = (0.65, 2.65, 4.65)
        readout = Lanczos((times,))
        owners = np.array([[0, 0], [1, 1], [2, 2], [3, 3]])
        matrix = readout.matrix(Stimuli("s", (passage,)), 0, owners, 4).toarray()
        expected = [np.sinc(x) * np.sinc(x / 3) for x in (0.25 / 2, 0.0, -0.65 / 2, -0.85 / 2)]
        np.testing.assert_allclose(matrix[0], expected)


class TestUnits:
    def test_a_word_a_hundred_seconds_in_is_in_volume_fifty(self):
        words = Passage.from_words("p", ["far"], [99.9], [100.1])
        times = 2.0 * np.arange(80)
        onto = lanczos_matrix(np.array(words.midpoints), times).toarray()[:, 0]
        assert int(onto.argmax()) == 50
        assert onto[50] == pytest.approx(1.0)

    def test_a_delay_moves_a_feature_later(self):
        """What happens in volume 5 is seen in volumes 6 to 9, in the order of the delays."""
        events = np.zeros((12, 1))
        events[5] = 1.0
        design = delayed(events, np.zeros(12), (1, 2, 3, 4))
        rows, columns = np.nonzero(design)
        assert rows.tolist() == [6, 7, 8, 9]
        assert columns.tolist() == [0, 1, 2, 3]

    def test_ten_volumes_go_at_either_end(self):
        assert used_volumes(320, (300,), "run") == (300, 10)
        assert used_volumes(300, (300,), "run") == (300, 0)
        assert used_volumes(321, (300,), "run") == (301, 10)
        assert story_clock(2, 2.0, 10.0) == (11.0, 13.0)
