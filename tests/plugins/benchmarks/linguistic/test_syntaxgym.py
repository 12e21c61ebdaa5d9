"""SyntaxGym: suites written here, the published ones, and minicons as an oracle."""

import json
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.syntaxgym import (
    SPACINGS,
    SyntaxGym,
    brainpress_benchmarks,
)
from brainpress_plugins.benchmarks.linguistic.syntaxgym_suites import (
    read_suite,
    region_request,
    region_surprisals,
    score_suites,
)
from places import offline

from harness.errors import ChecksumError, DataError, OfflineError, ScoreError
from harness.probe.regions import Spacing
from harness.spec.specs import load_target

ITEMS = (
    {"good": ("The dog", "near us", "barks"), "bad": ("The dog", "near us", "bark")},
    {"good": ("A cat", "", "sleeps"), "bad": ("A cat", "", "sleep")},
)
FORMULA = "(3;%good%) < (3;%bad%)"


def suite_file(path, items=ITEMS, formulas=(FORMULA,), metric="sum", name="number_made"):
    said = {
        "meta": {"name": name, "metric": metric},
        "region_meta": {"1": "subject", "2": "modifier", "3": "verb"},
        "predictions": [{"type": "formula", "formula": f} for f in formulas],
        "items": [
            {
                "item_number": i,
                "conditions": [
                    {
                        "condition_name": condition,
                        "regions": [
                            {"region_number": n, "content": content}
                            for n, content in enumerate(contents, start=1)
                        ],
                    }
                    for condition, contents in item.items()
                ],
            }
            for i, item in enumerate(items, start=1)
        ],
    }
    file = path / f"{name}.json"
    file.write_text(json.dumps(said))
    return file


def recording(bits):
    values = -np.asarray(bits, float).reshape(-1, 1, 1) * np.log(2)
    return xr.DataArray(values, dims=("sample", "layer", "unit"))


def test_reads_what_is_there(tmp_path):
    suite = read_suite(suite_file(tmp_path))
    assert suite.conditions == ("good", "bad")
    assert suite.items[1]["good"] == ("A cat", "", "sleeps")
    assert suite.circuit == "agreement"
    assert suite.regions == 3


def test_asks_for_each_region_that_has_text(tmp_path):
    request = region_request((read_suite(suite_file(tmp_path)),))
    texts = [p.text for p in request.stimuli.passages]
    assert texts == ["The dog near us barks", "The dog near us bark", "A cat sleeps", "A cat sleep"]
    assert request.readout.rows(request.stimuli) == (3, 3, 2, 2)


def test_scores_by_hand(tmp_path):
    suite = read_suite(suite_file(tmp_path))
    #            item 1: good 1 2 3, bad 1 2 3; item 2: good 1 3, bad 1 3
    answer = recording([9, 9, 2, 9, 9, 5, 9, 7, 9, 4])
    (table,) = region_surprisals((suite,), Spacing.PUBLISHED, answer)
    np.testing.assert_allclose(table["good"], [[9, 9, 2], [9, 0, 7]])
    np.testing.assert_allclose(table["bad"], [[9, 9, 5], [9, 0, 4]])
    score = score_suites((suite,), Spacing.PUBLISHED, answer)
    assert score["passed"].values.tolist() == [1, 0]
    assert float(score["value"]) == 0.5
    assert float(score["accuracy"].sel(task="number_made")) == 0.5
    assert float(score["category_accuracy"].sel(category="syntax")) == 0.5
    assert float(score["circuit_accuracy"].sel(circuit="agreement")) == 0.5
    assert float(score["chance"][0]) == pytest.approx(0.5, abs=0.01)


def test_an_item_passes_when_all_predictions_hold_but_equality_is_not_asked(tmp_path):
    equal = "(1;%good%) = (2;%good%)"
    second = "(1;%good%) < (2;%bad%)"
    suite = read_suite(suite_file(tmp_path, formulas=(FORMULA, equal, second)))
    assert [p.text for p in suite.predictions] == [FORMULA, second]
    items = {
        "good": np.array([[1.0, 2, 3], [9, 2, 3], [1, 2, 9]]),
        "bad": np.array([[5.0, 5, 5], [5, 5, 5], [5, 5, 5]]),
    }
    assert suite.passes(items).tolist() == [True, False, False]


def test_circuits_have_their_own_mean(tmp_path):
    suites = tuple(
        read_suite(suite_file(tmp_path, name=name)) for name in ("number_a", "npi_b", "npi_c")
    )
    right, wrong = [9, 9, 2, 9, 9, 5, 9, 3, 9, 4], [9, 9, 5, 9, 9, 2, 9, 4, 9, 3]
    score = score_suites(suites, Spacing.PUBLISHED, recording(right + right + wrong))
    assert score["circuit"].values.tolist() == ["agreement", "licensing"]
    assert score["circuit_accuracy"].values.tolist() == [1.0, 0.5]
    assert score["circuit_items"].values.tolist() == [2, 4]
    assert score["category"].values.tolist() == ["syntax"]


def test_a_score_survives_netcdf(tmp_path):
    suite = read_suite(suite_file(tmp_path))
    score = score_suites((suite,), Spacing.PUBLISHED, recording(np.arange(10)))
    score.to_netcdf(tmp_path / "score.nc")
    with xr.open_dataset(tmp_path / "score.nc") as read:
        xr.testing.assert_equal(score, read.load())


def test_another_recording_is_refused(tmp_path):
    suites = (read_suite(suite_file(tmp_path)),)
    with pytest.raises(ScoreError, match=r"shape \(10, 1, 1\)"):
        score_suites(suites, Spacing.PUBLISHED, recording(np.ones(9)))
    with pytest.raises(ScoreError, match="not finite"):
        score_suites(suites, Spacing.PUBLISHED, recording([np.nan] * 10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "mean"}, "combined by 'mean'"),
        ({"formulas": ("(3;%good%) <",)}, "expected a region"),
        ({"formulas": ("(4;%good%) < 1",)}, "looks at region 4 of 'good'"),
        ({"formulas": ("(3;%ugly%) < 1",)}, "looks at region 3 of 'ugly'"),
        ({"formulas": ("(1;%good%) = (1;%bad%)",)}, "no prediction that can be scored"),
        ({"formulas": ()}, "no prediction that can be scored"),
        ({"items": (ITEMS[0], {"good": ("A", "b", "c")})}, "item 2 has other conditions"),
        ({"items": (ITEMS[0], {"good": ("A", "b"), "bad": ("A", "b")})}, "item 2 has other"),
        ({"items": ()}, "not a suite of SyntaxGym: IndexError"),
    ],
)
def test_a_bad_suite_is_named(tmp_path, options, message):
    with pytest.raises(DataError, match=message) as caught:
        read_suite(suite_file(tmp_path, **options))
    assert "number_made.json" in caught.value.message


def test_not_json(tmp_path):
    (tmp_path / "cut.json").write_text('{"meta": {"name"')
    with pytest.raises(DataError, match="not a suite of SyntaxGym: JSONDecodeError"):
        read_suite(tmp_path / "cut.json")


def test_missing_while_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    with offline(), pytest.raises(OfflineError, match=r"center_embed\.json"):
        SyntaxGym()
    (tmp_path / "data" / "syntaxgym").mkdir(parents=True)
    suite_file(tmp_path / "data" / "syntaxgym", name="center_embed")
    with offline(), pytest.raises(ChecksumError, match="center_embed"):
        SyntaxGym()


def test_unknown_spacing():
    with pytest.raises(DataError, match="no spacing 'wide'"):
        SyntaxGym("wide")
    assert list(Spacing) == list(SPACINGS)


@pytest.fixture(scope="module")
def gym():
    spec = next(s for s in brainpress_benchmarks() if s.name == "syntaxgym")
    with offline():
        return spec, load_target(spec)


@pytest.mark.needs_data("syntaxgym")
class TestPublished:
    """The 31 suites."""

    def test_what_there_is(self, gym):
        _, gym = gym
        assert len(gym.suites) == 31
        assert sum(len(s.items) for s in gym.suites) == 799
        assert Counter(s.circuit for s in gym.suites) == {
            "center embedding": 2,
            "long-distance dependencies": 6,
            "garden-path effects": 6,
            "licensing": 10,
            "agreement": 3,
            "gross syntactic state": 4,
        }
        assert len(gym.request.stimuli.passages) == 3132

    def test_chance_is_what_the_spec_says(self, gym):
        spec, gym = gym
        chance = {s.name: s.chance() for s in gym.suites}
        assert chance["center_embed"] == pytest.approx(1 / 2, abs=0.01)
        assert chance["number_src"] == pytest.approx(1 / 4, abs=0.01)
        assert chance["npi_src_any"] == pytest.approx(5 / 24, abs=0.01)
        assert chance["mvrr"] == pytest.approx(7 / 24, abs=0.01)
        assert np.mean(list(chance.values())) == pytest.approx(spec.chance, abs=0.003)

    def test_a_scorer_that_anybody_can_check(self, gym):
        """Surprisal is the number of letters."""
        _, gym = gym
        passages = gym.request.stimuli.passages
        letters = [len(item) for p in passages for item in p.items]
        score = gym.score({gym.request: recording(letters)})
        items = json.loads(_path("number_prep").read_text())["items"]
        right = []
        for item in items:
            verb = {
                c["condition_name"]: len(c["regions"][5]["content"]) for c in item["conditions"]
            }
            right.append(
                verb["match_sing"] < verb["mismatch_sing"]
                and verb["match_plural"] < verb["mismatch_plural"]
            )
        assert float(score["accuracy"].sel(task="number_prep")) == np.mean(right)

    def test_attached_text_looks_like_text(self):
        with offline():
            texts = [p.text for p in SyntaxGym("attached").request.stimuli.passages]
        assert not any(" ," in t or " ." in t or " 's" in t for t in texts)


def _path(name):
    from harness.place.locate import find

    return find(f"syntaxgym/{name}.json")


@pytest.fixture(scope="module")
def scorer():
    """A model, and a scorer of minicons around another copy of it."""
    pytest.importorskip("minicons")
    from brainpress_plugins.models import stories260k
    from minicons.scorer import IncrementalLMScorer

    from harness.lm.load import load
    from harness.lm.source import resolve

    spec = stories260k.brainpress_models()[0]
    model, other = (load(resolve(spec, offline=True), spec) for _ in range(2))
    return model, IncrementalLMScorer(other.model, "cpu", other.tokenizer)


@pytest.mark.needs_data("syntaxgym", "blimp", "models/stories260K")
class TestMinicons:
    """Log-probabilities of minicons (Misra 2022), an independent implementation."""

    @staticmethod
    def sums(scorer, texts):
        """Log-probability of each text after BOS, which this tokenizer puts there itself."""
        return scorer.sequence_score(list(texts), reduction=lambda s: s.sum().item())

    def test_regions_are_differences_of_prefixes(self, scorer):
        """log p(region) = log p(text up to its end) - log p(text up to its beginning)."""
        from harness.record.subject import LanguageSubject

        model, scorer = scorer
        with offline():
            suites = tuple(s for s in SyntaxGym().suites if s.name.endswith(("_mod", "_any")))
        request = region_request(suites)
        got = LanguageSubject(model).record(request).values.ravel()
        rng = np.random.default_rng(0)
        starts = np.cumsum([0, *(len(p.spans) for p in request.stimuli.passages)])
        for i in rng.choice(len(request.stimuli.passages), 12, replace=False):
            passage = request.stimuli.passages[i]
            ends = self.sums(scorer, [passage.text[:end] for _, end in passage.spans])
            np.testing.assert_allclose(
                got[starts[i] : starts[i + 1]], np.diff([0.0, *ends]), atol=1e-4
            )

    def test_sentences_of_blimp(self, scorer):
        from brainpress_plugins.benchmarks.linguistic.blimp import Blimp

        from harness.record.subject import LanguageSubject

        model, scorer = scorer
        with offline():
            request = Blimp(first=1).request
        got = LanguageSubject(model).record(request).values.ravel()
        texts = [p.text for p in request.stimuli.passages]
        np.testing.assert_allclose(got, self.sums(scorer, texts), atol=1e-4, rtol=1e-6)
