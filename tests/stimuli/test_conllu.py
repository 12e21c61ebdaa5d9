"""CoNLL-U, written here and read back."""

import pytest

from harness.errors import StimulusError
from harness.stimuli.conllu import read_conllu

DOCUMENT = """# newdoc id = made_up
# sent_id = made_up-1
# text = "I don't," she said.
1\t"\t"\tPUNCT\t``\t_\t5\tpunct\t_\tSpaceAfter=No
2\tI\tI\tPRON\tPRP\tCase=Nom|Number=Sing\t5\tnsubj\t_\tEntity=(1-person
3-4\tdon't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
3\tdo\tdo\tAUX\tVBP\t_\t5\taux\t_\t_
4\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\tNegation
4.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_
5\t,\t,\tPUNCT\t,\t_\t0\troot\t_\tSpaceAfter=No
6\t"\t"\tPUNCT\t''\t_\t5\tpunct\t_\t_
7\tshe\tshe\tPRON\tPRP\t_\t8\tnsubj\t_\tXML=<a x:::"1">|Note=a=b
8\tsaid\tsay\tVERB\tVBD\t_\t5\tparataxis\t_\tSpaceAfter=No
9\t.\t.\tPUNCT\t.\t_\t5\tpunct\t_\t_

# text = Next.
1\tNext\tnext\tADV\tRB\t_\t0\troot\t_\tSpaceAfter=No
2\t.\t.\tPUNCT\t.\t_\t1\tpunct\t_\t_
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "document.conllu"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_words_cover_their_characters(written):
    first, second = read_conllu(written(DOCUMENT))
    assert first.text == '"I don\'t," she said.'
    for word in first.words:
        start, end = word.span
        assert first.text[start:end] == ("don't" if word.contracted else word.form)
    assert [w.contracted for w in first.words] == [False, False, True, True] + [False] * 5
    assert [w.number for w in first.words] == list(range(1, 10))
    assert second.text == "Next."


def test_annotations_are_there(written):
    first, _ = read_conllu(written(DOCUMENT))
    assert first.comments["sent_id"] == "made_up-1"
    pronoun, negation, she = first.words[1], first.words[3], first.words[6]
    assert pronoun.features == {"Case": "Nom", "Number": "Sing"}
    assert (pronoun.head, pronoun.relation) == (5, "nsubj")
    assert negation.misc == {"Negation": "Yes"}
    assert she.misc == {"XML": '<a x:::"1">', "Note": "a=b"}


def test_a_last_sentence_needs_no_empty_line(written):
    assert len(read_conllu(written(DOCUMENT.rstrip()))) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tADV\t", " ADV ", "line 17 has 8 columns"),
        ("1\tNext", "one\tNext", "line 17 is no word"),
        ("# text = Next.", "# text = Now.", "the words spell 'Next.', and the text is 'Now.'"),
    ],
)
def test_what_is_malformed_is_said_with_its_line(written, old, new, message):
    with pytest.raises(StimulusError, match=message):
        read_conllu(written(DOCUMENT.replace(old, new)))
