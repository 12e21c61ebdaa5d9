"""GUM: a document written here in its format, and the corpus where it is found."""

from collections import Counter
from dataclasses import replace

import pytest
from brainpress_plugins.benchmarks.linguistic.gum_probes import brainpress_benchmarks, corpus
from brainpress_plugins.benchmarks.linguistic.gum_probes.benchmark import (
    DEFINITIONS,
    GumProbes,
    prepared,
    tasks,
)
from brainpress_plugins.benchmarks.linguistic.gum_probes.choose import (
    FEWEST,
    MOST,
    MOST_OF_TEXT,
    Candidate,
    Definition,
    make_task,
)
from brainpress_plugins.benchmarks.linguistic.gum_probes.corpus import MOST_WORDS, cut
from places import offline

from harness.errors import DataError, OfflineError
from harness.probe.tasks import CATEGORIES, Part, Target
from harness.spec.specs import load_target
from harness.stimuli.conllu import read_conllu

DOCUMENT = """# s_type = decl
# text = If it rains, Lord Byron won't see the dogs.
1\tIf\tif\tSCONJ\tIN\t_\t3\tmark\t_\tDiscourse=contingency-condition:1->2:0:dm-if-1-gold|PDTB=Explicit:Contingency.Condition:if:1:2-3:5-10
2\tit\tit\tPRON\tPRP\tNumber=Sing|Person=3\t3\tnsubj\t_\tEntity=(1-event-acc:inf-nnnnn-cf1-1-sgl)
3\trains\train\tVERB\tVBZ\tTense=Pres|VerbForm=Fin\t9\tadvcl\t_\tMSeg=rain-s|SpaceAfter=No
4\t,\t,\tPUNCT\t,\t_\t3\tpunct\t_\t_
5\tLord\tLord\tPROPN\tNNP\tNumber=Sing\t9\tnsubj\t_\tDiscourse=ROOT:2:0|Entity=(2-person-new-nnnnn-cf2-1,2-coref-Lord_Byron
6\tByron\tByron\tPROPN\tNNP\tNumber=Sing\t5\tflat\t_\tEntity=2)
7-8\twon't\t_\t_\t_\t_\t_\t_\t_\t_
7\two\twill\tAUX\tMD\tVerbForm=Fin\t9\taux\t_\t_
8\tn't\tnot\tPART\tRB\tPolarity=Neg\t9\tadvmod\t_\tNegation=Yes
9\tsee\tsee\tVERB\tVB\tVerbForm=Inf\t0\troot\t_\tCxn=Conditional-UnspecifiedEpistemic-NoInversion
10\tthe\tthe\tDET\tDT\tDefinite=Def|PronType=Art\t11\tdet\t_\tEntity=(3-animal-giv:act-nnnnn-cf3-2-coref
11\tdogs\tdog\tNOUN\tNNS\tNumber=Plur\t9\tobj\t_\tEntity=3)|MSeg=dog-s|SpaceAfter=No
12\t.\t.\tPUNCT\t.\t_\t9\tpunct\t_\t_

# s_type = decl
# text = Two friends of his government quietly like them.
1\tTwo\ttwo\tNUM\tCD\tNumType=Card\t2\tnummod\t_\tDiscourse=joint-list_m:3->2:0:_|Entity=(4-person-new-nnnnn-cf1-2-sgl
2\tfriends\tfriend\tNOUN\tNNS\tNumber=Plur\t7\tnsubj\t_\tMSeg=friend-s
3\tof\tof\tADP\tIN\t_\t5\tcase\t_\t_
4\this\this\tPRON\tPRP$\tPerson=3\t5\tnmod:poss\t_\tEntity=(5-organization-new-nnnnn-cf2-2-sgl(2-person-giv:act-nnnnn-cf3-1-ana-Lord_Byron)
5\tgovernment\tgovernment\tNOUN\tNN\tNumber=Sing\t2\tnmod\t_\tEntity=5)4)|MSeg=govern-ment
6\tquietly\tquietly\tADV\tRB\tDegree=Pos\t7\tadvmod\t_\tMSeg=quiet-ly
7\tlike\tlike\tVERB\tVBP\tTense=Pres|VerbForm=Fin\t0\troot\t_\t_
8\tthem\tthey\tPRON\tPRP\tNumber=Plur|Person=3\t7\tobj\t_\tEntity=(3-animal-giv:act-nnnnn-cf4-1-ana)|SpaceAfter=No
9\t.\t.\tPUNCT\t.\t_\t7\tpunct\t_\t_
"""


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "document.conllu"
    path.write_text(DOCUMENT, encoding="utf-8")
    (only,) = cut("document", Part.TRAIN, read_conllu(path))
    return only


def offered(text, name):
    (definition,) = [d for d in DEFINITIONS if d.name == name]
    return {tuple(text.text[a:b] for a, b in c.spans): c.label for c in definition.candidates(text)}


EXPECTED = {
    "number": {("dogs",): "Plur", ("friends",): "Plur", ("government",): "Sing"},
    "tense": {("rains",): "Pres", ("like",): "Pres"},
    "suffix": {("government",): "ment", ("quietly",): "ly"},
    "subject-distance": {("rains",): 0.0, ("see",): 2.0, ("like",): 5**0 * 2.321928094887362},
    "sentence-type": {
        ("If it rains, Lord Byron won't see the dogs",): "decl",
        ("Two friends of his government quietly like them",): "decl",
    },
    "clause-relation": {("rains",): "advcl", ("see",): "root", ("like",): "root"},
    "entity-type": {
        ("it",): "event",
        ("Lord Byron",): "person",
        ("the dogs",): "animal",
        ("Two friends of his government",): "person",
        ("his",): "person",
        ("his government",): "organization",
        ("them",): "animal",
    },
    "animacy": {("dogs",): "animate", ("friends",): "animate", ("government",): "inanimate"},
    "named": {
        ("Lord Byron",): "named",
        ("the dogs",): "other",
        ("his government",): "other",
        ("Two friends of his government",): "other",
    },
    "article": {("dogs",): "own"},
    "logical-role": {
        ("Lord", "see"): "subject",
        ("dogs", "see"): "object",
        ("friends", "like"): "subject",
        ("them", "like"): "object",
    },
    "negation-scope": {("see",): "inside", ("dogs",): "inside"},
    "quantifier": {("friends",): "own", ("government",): "other"},
    "condition-relation": {
        ("If it rains,", "Lord Byron won't see the dogs."): "yes",
        (
            "Lord Byron won't see the dogs.",
            "Two friends of his government quietly like them.",
        ): "no",
    },
    "consequent": {("see",): "conditional", ("like",): "plain"},
    "nuclearity": {
        ("If it rains,",): "before",
        ("Two friends of his government quietly like them.",): "equal",
    },
    "information-status": {
        ("it",): "acc",
        ("Lord Byron",): "new",
        ("the dogs",): "giv",
        ("Two friends of his government",): "new",
        ("his",): "giv",
        ("his government",): "new",
        ("them",): "giv",
    },
    "coreference": {
        ("Lord Byron", "Two friends of his government"): "other",
        ("Lord Byron", "his"): "same",
        ("the dogs", "them"): "same",
    },
    "connective": {("If",): "Contingency"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_labels_are_those_of_the_annotation(text, name):
    assert offered(text, name) == pytest.approx(EXPECTED[name])


def test_words_in_contractions_are_left_out(text):
    for definition in DEFINITIONS:
        if definition.name not in ("sentence-type", "nuclearity") and "relation" not in (
            definition.name
        ):
            for candidate in definition.candidates(text):
                pieces = [text.text[a:b] for a, b in candidate.spans]
                assert not any("won" in piece for piece in pieces), definition.name


def test_derivation_is_told_from_inflection(text):
    assert offered(text, "segments")[("government",)] == 2
    assert ("dogs",) not in offered(text, "suffix")


def test_documents_are_cut_at_sentences(text):
    sentence = text.sentences[0]
    runs = list(cut("long", Part.TEST, [sentence] * 20))
    assert sum(len(t.sentences) for t in runs) == 20
    assert all(len(t.tokens) <= MOST_WORDS for t in runs)
    assert all(t.text[s : s + 2] == "If" for t in runs for s in t.starts)
    assert len({t.name for t in runs}) == len(runs) > 1


def test_caps_hold_and_rare_classes_go(text):
    texts = [
        corpus.Text(f"{part}{i}", f"{part}{i}", part, text.text, text.sentences, text.starts)
        for part, n in ((Part.TRAIN, 300), (Part.DEV, 60), (Part.TEST, 100))
        for i in range(n)
    ]

    def candidates(one):
        rare = one.name in ("train1", "train2")
        for token in one.tokens:
            yield Candidate((token.span,), "rare" if rare else token.word.upos, "")

    task = make_task(Definition("all", "syntax", "", candidates), texts)
    of_text = Counter(item.places[0].text for item in task.items)
    assert max(of_text.values()) <= MOST_OF_TEXT
    for part, most in MOST.items():
        labels = Counter(item.label for item in task.of(part))
        assert sum(labels.values()) <= most
        assert max(labels.values()) <= 2 * most / len(task.classes) + 1
    assert "rare" not in task.classes
    for part, fewest in FEWEST.items():
        assert min(Counter(i.label for i in task.of(part)).values()) >= fewest
    assert make_task(Definition("all", "syntax", "", candidates), texts[::-1]) == task


def test_cues_are_crossed_with_labels(text):
    """A word that tells the label in 4 of 5 texts tells nothing of the items that are taken."""
    texts = [
        corpus.Text(f"{part}{i}", f"{part}{i}", part, text.text, text.sentences, text.starts)
        for part, n in ((Part.TRAIN, 300), (Part.DEV, 60), (Part.TEST, 100))
        for i in range(n)
    ]
    cues = {}

    def candidates(one):
        number = int(one.name.lstrip("abcdefghijklmnopqrstuvwxyz"))
        for token in one.tokens[:4]:
            label = "yes" if number % 2 else "no"
            cue = label if number % 5 else "other"
            cues[one.name] = cue
            yield Candidate((token.span,), label, "", "with" if cue == "yes" else "without")

    task = make_task(Definition("cued", "syntax", "", candidates), texts)
    for part in Part:
        cells = Counter((cues[item.places[0].text] == "yes", item.label) for item in task.of(part))
        assert {cells[cue, "yes"] - cells[cue, "no"] for cue in (True, False)} == {0}
        assert sum(cells.values()) > 0
    assert len(task.of(Part.TRAIN)) <= MOST[Part.TRAIN]


def test_few_items_of_one_of_two_classes_put_a_task_aside(text):
    texts = [
        corpus.Text(f"{part}{i}", f"{part}{i}", part, text.text, text.sentences, text.starts)
        for part, n in ((Part.TRAIN, 300), (Part.DEV, 60), (Part.TEST, 100))
        for i in range(n)
    ]

    def candidates(one, every):
        for token in one.tokens[:3]:
            rare = int(one.name.lstrip("abcdefghijklmnopqrstuvwxyz")) % every == 0
            yield Candidate((token.span,), "rare" if rare else "plain", "")

    few = make_task(Definition("few", "syntax", "", lambda t: candidates(t, 10)), texts)
    assert few.aside == "90 training items of the rarer class"
    assert not make_task(Definition("many", "syntax", "", lambda t: candidates(t, 5)), texts).aside
    assert make_task(
        Definition("said", "syntax", "", lambda t: candidates(t, 5), aside="why"), texts
    )


def test_an_interrupted_unit_is_no_item(tmp_path):
    path = tmp_path / "document.conllu"
    broken = DOCUMENT.replace("joint-list_m:3->2:0:_", "same-unit_m:3->2:0:_")
    path.write_text(broken, encoding="utf-8")
    (one,) = cut("document", Part.TRAIN, read_conllu(path))
    assert [unit.whole for unit in one.units] == [True, False, False]
    assert not offered(one, "condition-relation")


def test_implicit_relations_hold_between_sentences_of_one_text(tmp_path):
    path = tmp_path / "document.conllu"
    implied = "|PDTB=Implicit:Contingency.Cause.Reason:because:_:5-11:13-20"
    document = DOCUMENT.replace("joint-list_m:3->2:0:_", f"joint-list_m:3->2:0:_{implied}")
    path.write_text(document, encoding="utf-8")
    (one,) = cut("document", Part.TRAIN, read_conllu(path))
    whole = ("Lord Byron won't see the dogs", "Two friends of his government quietly like them")
    assert offered(one, "implicit-relation") == {whole: "Contingency.Cause"}
    assert offered(one, "implicit-cause") == {whole: "yes"}
    later = replace(one, first=12)
    assert not later.implied


def test_a_sentence_that_is_too_long_ends_a_text(text):
    short, long = text.sentences[0], replace(text.sentences[0], words=text.sentences[0].words * 8)
    runs = list(cut("long", Part.TEST, [short, long, short]))
    assert [len(t.sentences) for t in runs] == [1, 1]
    assert [t.first for t in runs] == [0, 9 * len(short.words)]


def test_an_unknown_probe_is_refused():
    with pytest.raises(DataError, match="no probe 'deep'"):
        GumProbes(probe="deep")


def test_missing_files_are_said_when_a_run_is_planned(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINPRESS_DATA", "")
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path))
    prepared.cache_clear()
    corpus.texts.cache_clear()
    with offline(), pytest.raises(OfflineError, match="GUM_academic_art"):
        GumProbes()


@pytest.mark.needs_data("gum/GUM_academic_art.conllu")
def test_the_corpus_itself():
    for spec in brainpress_benchmarks():
        assert spec.kind == "linguistic"
    benchmark = load_target(brainpress_benchmarks()[0])
    made = tasks()
    assert len(made) >= 20
    assert min(Counter(t.category for t in made).values()) >= 3
    assert {t.category for t in made} == set(CATEGORIES)
    texts = {t.name: t for t in corpus.texts()}
    parts = {}
    for task in made:
        for item in task.items:
            place = item.places[0]
            assert parts.setdefault(item.group, item.part) is item.part, "a document in two parts"
            assert texts[place.text].document == item.group
        if task.target is Target.CLASS:
            for part, fewest in FEWEST.items():
                assert min(Counter(i.label for i in task.of(part)).values()) >= fewest
            # Each class is there to be found when it is asked for.
            assert {i.label for i in task.of(Part.TEST)} == set(task.classes), task.name
    (request,) = benchmark.requests()
    assert sum(len(p.spans) for p in request.stimuli.passages) < 20_000
    assert request.stimuli.words < 90_000
    number = next(t for t in made if t.name == "number")
    for item in number.items[:50]:
        place = item.places[0]
        word = texts[place.text].text[place.start : place.end]
        assert word.lower() == item.type


def test_a_task_that_the_untrained_gain_on_stands_aside():
    aside = {d.name: d.aside for d in DEFINITIONS if d.aside}
    assert "untrained" in aside["implicit-cause"]
    assert {"segments", "suffix", "connective"} <= set(aside)
