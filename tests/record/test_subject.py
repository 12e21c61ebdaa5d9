import numpy as np
import pytest
import torch

from harness.errors import ContextTooLong, RecordingError, Unsupported
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.record.tokens import tokenise
from harness.stimuli.lanczos import lanczos_matrix
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Lanczos, Pool, Whole

WORDS = ["on", "a", "thorn", "her", "tone", "is", "odd", "other", "then", "on", "the", "hero"]
TIMES = [0.5 * i for i in range(len(WORDS))]
STIMULI = Stimuli(
    "two",
    (
        Passage.from_words("first", WORDS, TIMES, [t + 0.3 for t in TIMES]),
        Passage.from_words("second", WORDS[2:7], TIMES[:5], [t + 0.3 for t in TIMES[:5]]),
    ),
)
POLICIES = ["words(3)", "tokens(8)", "strided(8,3)", "prefix", "sentence"]


def hidden(context="prefix", readout=None, **options):
    policy = Context.parse(context, **options)
    return Request(STIMULI, Measure.HIDDEN, policy, readout or Items())


def states(model, ids):
    """All hidden states, as transformers gives them: (layer, token, unit)."""
    out = model(input_ids=torch.as_tensor(ids)[None], output_hidden_states=True, use_cache=False)
    return torch.cat(out.hidden_states).numpy()


def test_hidden_states_are_those_of_transformers(speaker, architecture):
    model = speaker(architecture)
    got = LanguageSubject(model).record(hidden(readout=Items(Pool.LAST)))
    tokens = tokenise(STIMULI.passages[0], model.tokenizer)
    wanted = states(model.model, tokens.ids)[:, tokens.item_stops - 1]
    np.testing.assert_allclose(
        got.values[: len(WORDS)], wanted.transpose(1, 0, 2), rtol=2e-4, atol=2e-4
    )
    assert got.dims == ("sample", "layer", "unit")
    assert list(got["layer"].values) == list(range(len(wanted)))
    assert list(got["passage"].values) == ["first"] * len(WORDS) + ["second"] * 5


def test_before_the_final_norm_is_another_recording(speaker):
    model = speaker()
    after = LanguageSubject(model).record(hidden())
    before = LanguageSubject(model).record(hidden(final_norm=False))
    np.testing.assert_array_equal(after.values[:, :-1], before.values[:, :-1])
    norm = model.model.model.norm
    last = LanguageSubject(model).record(hidden(readout=Items(Pool.LAST), final_norm=False))
    normed = norm(torch.from_numpy(last.values[:, -1])).numpy()
    wanted = LanguageSubject(model).record(hidden(readout=Items(Pool.LAST))).values[:, -1]
    np.testing.assert_allclose(normed, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", POLICIES)
def test_batch_size_does_not_change_results(speaker, policy):
    model = speaker()
    one, many = (
        LanguageSubject(model, batch_size=size, batch_tokens=100_000).record(hidden(policy))
        for size in (1, 64)
    )
    np.testing.assert_allclose(one.values, many.values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bos", [False, True])
def test_one_pass_is_one_forward_per_prefix(speaker, architecture, bos):
    model = speaker(architecture, bos=bos)
    got = LanguageSubject(model).record(hidden(readout=Items(Pool.LAST))).values
    tokens = tokenise(STIMULI.passages[0], model.tokenizer)
    lead = [1] if bos else []
    for i, stop in enumerate(tokens.item_stops):
        wanted = states(model.model, lead + tokens.ids[:stop].tolist())[:, -1]
        np.testing.assert_allclose(got[i], wanted, rtol=1e-3, atol=5e-4)


def test_words_context_is_one_forward_per_window(speaker):
    model = speaker()
    got = LanguageSubject(model).record(hidden("words(3)", Items(Pool.MEAN))).values
    tokens = tokenise(STIMULI.passages[0], model.tokenizer)
    stops = [0, *tokens.item_stops]
    for i in range(len(WORDS)):
        window = tokens.ids[stops[max(0, i - 2)] : stops[i + 1]]
        own = stops[i + 1] - stops[i]
        wanted = states(model.model, window)[:, -own:].mean(axis=1)
        np.testing.assert_allclose(got[i], wanted, rtol=1e-4, atol=1e-4)


def test_readouts_are_linear_in_the_words(speaker):
    subject = LanguageSubject(speaker())
    words = subject.record(hidden("words(3)")).values
    times = (tuple(np.arange(6.0)), tuple(np.arange(3.0)))
    volumes = subject.record(hidden("words(3)", Lanczos(times))).values
    for rows, start, passage, clock in (
        (slice(0, 6), 0, STIMULI.passages[0], times[0]),
        (slice(6, 9), len(WORDS), STIMULI.passages[1], times[1]),
    ):
        onto = lanczos_matrix(np.array(passage.midpoints), np.array(clock)).toarray()
        own = words[start : start + len(passage.spans)]
        wanted = np.einsum("tw,wlu->tlu", onto, own)
        np.testing.assert_allclose(volumes[rows], wanted, rtol=1e-4, atol=1e-4)


def test_requests_that_differ_in_readout_share_a_pass(speaker):
    model = speaker()
    calls = []
    model.model.register_forward_hook(lambda *_: calls.append(1))
    model.model.model.register_forward_hook(lambda *_: calls.append(1))
    subject = LanguageSubject(model)
    two = [hidden(), hidden(readout=Whole(Pool.LAST))]
    answers = subject.record_all(two)
    together = len(calls)
    np.testing.assert_array_equal(answers[two[0].key].values, subject.record(two[0]).values)
    assert together == len(calls) - together
    assert answers[two[1].key].shape[0] == 2


SENTENCES = ["on a thorn her tone is odd", "on a thorn her tone is on", "then on a hero", "other"]


def logprob(start=Start.BOS, readout=None):
    passages = tuple(Passage.from_sentence(f"s{i}", s) for i, s in enumerate(SENTENCES))
    context = Context("sentence", start=start)
    return Request(Stimuli("s", passages), Measure.LOGPROB, context, readout or Whole(Pool.SUM))


def test_logprobs_sum_to_those_of_a_loop(speaker, architecture):
    model = speaker(architecture)
    got = LanguageSubject(model).record(logprob()).values[:, 0, 0]
    for value, sentence in zip(got, SENTENCES, strict=True):
        ids = [1, *model.tokenizer(sentence, add_special_tokens=False)["input_ids"]]
        logits = model.model(input_ids=torch.tensor([ids])).logits[0].double()
        steps = torch.log_softmax(logits, dim=-1)[:-1]
        wanted = steps[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum().item()
        assert value == pytest.approx(wanted, rel=1e-4, abs=1e-3)


def test_trees_change_nothing(speaker, architecture):
    model = speaker(architecture)
    apart, together = (
        LanguageSubject(model, trees=trees).record(logprob()).values for trees in (False, True)
    )
    np.testing.assert_allclose(apart, together, rtol=1e-4, atol=1e-3)


def test_trees_are_used_for_sentences_that_begin_alike(speaker):
    model = speaker("llama")
    seen = []
    model.model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    LanguageSubject(model, trees=False).record(logprob())
    apart = sum(seen)
    seen.clear()
    LanguageSubject(model).record(logprob())
    # the last call is the batch itself; those before it try whether trees work
    assert seen[-1] < 0.8 * apart


def test_hidden_states_of_trees_too(speaker):
    model = speaker()
    passages = tuple(Passage.from_sentence(f"s{i}", s) for i, s in enumerate(SENTENCES))
    request = Request(Stimuli("s", passages), Measure.HIDDEN, Context("sentence"), Whole(Pool.MEAN))
    apart, together = (
        LanguageSubject(model, trees=trees).record(request).values for trees in (False, True)
    )
    np.testing.assert_allclose(apart, together, rtol=1e-4, atol=1e-4)


def test_a_first_token_without_a_probability_is_an_error_and_not_a_number(speaker):
    with pytest.raises(RecordingError, match="not finite") as error:
        LanguageSubject(speaker()).record(logprob(Start.NOTHING))
    assert "start='bos'" in error.value.hint


def test_what_a_model_cannot_do_is_said(speaker):
    model = speaker()
    model.capabilities = frozenset({"hidden"})
    with pytest.raises(Unsupported, match="log-probabilities"):
        LanguageSubject(model).record(logprob())


def test_a_story_longer_than_the_context(speaker):
    model = speaker(context=20)
    with pytest.raises(ContextTooLong, match="'first'"):
        LanguageSubject(model).record(hidden())
    assert LanguageSubject(model).record(hidden("strided(20,5)")).shape[0] == len(WORDS) + 5


def test_overflow_is_named(speaker):
    model = speaker()
    with torch.no_grad():
        model.model.model.layers[1].mlp.down_proj.weight.fill_(float("inf"))
    with pytest.raises(RecordingError, match="passage 'first'"):
        LanguageSubject(model).record(hidden())
