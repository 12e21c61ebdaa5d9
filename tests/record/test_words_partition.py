"""Words sum to their text, whatever the tokenizer makes of spaces, digits and characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from harness.errors import Unsupported
from harness.lm.page import PROSE
from harness.record.boundary import beginnings, whole_word_surprisal
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.record.tokens import tokenise
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool, Whole

WORDS = [
    "She",
    "was",
    "born",
    "in",
    "1987",
    "and",
    "moved",
    "away",
    "in",
    "2010",
    "with",
    "3",
    "cats,",
    "naïve",
    "猫🙂",
    "at",
    "",
    "noon",
    "of",
    "the",
]
WORDS = [word for word in WORDS if word]


def byte_level(splitter: Any, size: int = 400) -> Any:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = splitter
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        [*PROSE, *([" of the"] * 60)],
        trainers.BpeTrainer(
            vocab_size=size, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return made


def gpt2() -> Any:
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))


def digits() -> Any:
    return byte_level(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    )


def superwords() -> Any:
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), 600)


def pieces(prefix: bool) -> Any:
    """SentencePiece's ways: spaces are letters, and what is no letter is bytes."""
    space = "▁"
    letters = sorted({c for c in " ".join(PROSE) if c != " "} | set("0123456789"))
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), space, *letters]
    words = ["th", "the", "an", "and", f"{space}t", f"{space}the", f"{space}a", f"{space}b"]
    merges = [("t", "h"), ("th", "e"), ("a", "n"), ("an", "d")]
    merges += [(space, "t"), (f"{space}t", "he"), (space, "a"), (space, "b")]
    tokens += [*words, "he"]
    merges.insert(0, ("h", "e"))
    made = Tokenizer(
        models.BPE(
            {token: i for i, token in enumerate(tokens)},
            [m for m in merges if m[0] + m[1] in tokens],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    steps: list[Any] = [normalizers.Prepend(space)] if prefix else []
    made.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", space)])
    return made


def unigram() -> Any:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.train_from_iterator(
        [*PROSE, *WORDS],
        trainers.UnigramTrainer(
            vocab_size=300, special_tokens=["<s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    return made


def wordpiece() -> Any:
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+|\w+|[^\w\s]+"), "isolated")
    made.train_from_iterator(
        [*PROSE, *WORDS],
        trainers.WordPieceTrainer(
            vocab_size=400, special_tokens=["<s>", "<unk>"], show_progress=False
        ),
    )
    return made


KINDS: dict[str, Callable[[], Any]] = {
    "byte-level": gpt2,
    "digits split off": digits,
    "superwords": superwords,
    "SentencePiece": lambda: pieces(False),
    "SentencePiece with a space before": lambda: pieces(True),
    "unigram": unigram,
    "word pieces": wordpiece,
}


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    return {
        kind: PreTrainedTokenizerFast(tokenizer_object=make(), bos_token="<s>")
        for kind, make in KINDS.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_words_sum_to_their_text(speaker: Any, tokenizers: Any, kind: str, tiny_model: Any) -> None:
    subject = speaker(context=512)
    subject.tokenizer = tokenizers[kind]
    subject.model = tiny_model("llama", vocab_size=700, max_position_embeddings=512)
    stimuli = Stimuli("s", (Passage.from_words("p", WORDS),))
    context = Context("prefix", start=Start.BOS)
    record = LanguageSubject(subject).record
    words = record(Request(stimuli, Measure.LOGPROB, context, Items(Pool.SUM)))
    text = record(Request(stimuli, Measure.LOGPROB, context, Whole(Pool.SUM)))
    assert float(words.sum()) == pytest.approx(float(text.sum()), abs=1e-3)
    assert words.sizes["sample"] == len(WORDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_token_belongs_to_a_word(tokenizers: Any, kind: str) -> None:
    passage = Passage.from_words("p", WORDS)
    tokens = tokenise(passage, tokenizers[kind])
    assert set(tokens.owners[:, 1].tolist()) == set(range(len(tokens)))
    assert np.all(np.diff(tokens.item_stops) >= 0)
    if kind == "superwords":
        shared = len(tokens.owners) - len(tokens)
        assert shared > 0
    else:
        assert len(tokens.owners) == len(tokens)


def test_a_lone_space_goes_with_the_word_after_it(tokenizers: Any) -> None:
    tokens = tokenise(Passage.from_words("p", ["in", "1987"]), tokenizers["digits split off"])
    names = tokenizers["digits split off"].convert_ids_to_tokens(tokens.ids)
    assert [names[i] for i in tokens.owners[tokens.owners[:, 0] == 1, 1]] == list("Ġ1987")


def test_the_bytes_of_a_character_stay_together(tokenizers: Any) -> None:
    for kind in KINDS:
        tokens = tokenise(Passage.from_words("p", ["a", "🙂", "猫猫", "b"]), tokenizers[kind])
        item, token = tokens.owners.T
        assert np.all(np.diff(item) >= 0), kind
        if "piece" in kind.lower():
            assert np.all(np.diff(token) == 1), kind


def test_a_word_that_a_token_runs_over_has_what_is_left(tokenizers: Any) -> None:
    owners = np.array([[0, 0], [0, 1], [1, 1], [2, 1], [2, 2]])
    from harness.stimuli.readouts import pooled

    assert pooled(owners, 3, 3, Pool.SUM).toarray().tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
    nested = np.array([[0, 0], [0, 1], [1, 0]])
    assert pooled(nested, 2, 2, Pool.SUM).toarray().tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize("kind", ["byte-level", "SentencePiece", "digits split off"])
def test_whole_words(speaker: Any, tokenizers: Any, kind: str, tiny_model: Any) -> None:
    """Against the definition, token by token, on logits of one plain pass."""
    subject = speaker(context=512)
    tokenizer = subject.tokenizer = tokenizers[kind]
    model = subject.model = tiny_model("llama", vocab_size=700, max_position_embeddings=512)
    words = [word for word in WORDS if word.isascii()]
    stimuli = Stimuli("s", (Passage.from_words("p", words), Passage.from_words("q", words[:4])))
    context = Context("prefix", start=Start.BOS)
    record = LanguageSubject(subject).record
    logprobs = record(Request(stimuli, Measure.LOGPROB, context, Items(Pool.SUM)))
    ends = record(Request(stimuli, Measure.BOUNDARY, context, Items(Pool.LAST)))
    found = whole_word_surprisal(
        logprobs.values[:, 0, 0], ends.values[:, 0, 0], logprobs["passage"].values.tolist()
    )
    ids = tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0]
    each = torch.softmax(logits.double(), -1)
    names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    begins = [i for i, name in enumerate(names) if name[0] in "ĠĊĉč▁"]
    stops = [
        len(tokenizer(" ".join(words[: i + 1]), add_special_tokens=False)["input_ids"])
        for i in range(len(words))
    ]
    start = 0
    for i, stop in enumerate(stops):
        # p(word) = p(a word begins and is spelt so, and ends) / p(a word begins)
        spelt = np.prod([float(each[t, ids[t]]) for t in range(start, stop)])
        ending = float(each[stop, begins].sum())
        beginning = float(each[start, begins].sum()) if i else 1.0
        assert found[i] == pytest.approx(-np.log(spelt * ending / beginning), abs=1e-4)
        start = stop
    assert found[len(words)] != pytest.approx(found[len(words) - 1])


def test_a_tokenizer_without_spaces_has_no_word_ends(tokenizers: Any) -> None:
    bare = Tokenizer(models.WordLevel({"<unk>": 0, "the": 1}, unk_token="<unk>"))
    with pytest.raises(Unsupported, match="no token that begins with a space"):
        beginnings(PreTrainedTokenizerFast(tokenizer_object=bare), 2)


@pytest.mark.parametrize("kind", ["byte-level", "SentencePiece", "digits split off"])
def test_tokens_are_counted(speaker: Any, tokenizers: Any, kind: str) -> None:
    """Counts of the words sum to the tokens of the text, and no model is asked."""
    subject = speaker(context=512)
    tokenizer = subject.tokenizer = tokenizers[kind]
    subject.model = None
    words = [word for word in WORDS if word.isascii()]
    stimuli = Stimuli("s", (Passage.from_words("p", words), Passage.from_words("q", words[:4])))
    request = Request(stimuli, Measure.TOKENS, Context("prefix"), Items(Pool.SUM))
    found = LanguageSubject(subject).record(request)
    counts = found.values[:, 0, 0]
    texts = " ".join(words), " ".join(words[:4])
    for name, text in zip("pq", texts, strict=True):
        whole = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        assert counts[found["passage"].values == name].sum() == whole
    assert counts[-4:].tolist() == counts[:4].tolist()
    assert (counts >= 1).all()
    assert "forward_seconds" not in found.attrs
    asked = Request(stimuli, Measure.UNIGRAM, Context("prefix"), Items(Pool.SUM))
    surprisal = LanguageSubject(subject).record(asked).values[:, 0, 0]
    ids = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]
    every = [i for each in ids for i in each]
    total = [-np.log((every.count(i) + 1) / (len(every) + len(tokenizer))) for i in ids[1]]
    assert surprisal[-4:].sum() == pytest.approx(sum(total), rel=1e-5)
