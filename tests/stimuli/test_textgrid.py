import os
from pathlib import Path

import pytest

from harness.errors import StimulusError
from harness.stimuli.textgrid import TextGridInterval, read_textgrid

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "word"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1
            text = "sp"
        intervals [2]:
            xmin = 1
            xmax = 2
            text = "she said ""no 1"" [twice]"
        intervals [3]:
            xmin = 2
            xmax = 2.5
            text = ""HEADS""
    item [2]:
        class = "TextTier"
        name = "tones"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.5
            mark = "H*"
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
1
"IntervalTier"
"word"
0
2.5
1
0
2.5
"ferry"
"""


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "story.TextGrid"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_long_format(tmp_path, encoding):
    tiers = read_textgrid(write(tmp_path, LONG, encoding))
    assert list(tiers) == ["word", "tones"]
    assert tiers["word"] == (
        TextGridInterval(0, 1, "sp"),
        TextGridInterval(1, 2, 'she said "no 1" [twice]'),
        TextGridInterval(2, 2.5, '"HEADS"'),
    )
    assert tiers["tones"] == (TextGridInterval(1.5, 1.5, "H*"),)


def test_short_format(tmp_path):
    tiers = read_textgrid(write(tmp_path, SHORT))
    assert tiers["word"] == (TextGridInterval(0, 2.5, "ferry"),)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_a_file_cut_short_says_where_it_stops(tmp_path, share):
    path = write(tmp_path, LONG[: int(share * len(LONG))])
    with pytest.raises(StimulusError, match=r"story\.TextGrid stops"):
        read_textgrid(path)


def test_another_file_is_no_textgrid(tmp_path):
    with pytest.raises(StimulusError, match="not a Praat TextGrid"):
        read_textgrid(write(tmp_path, '{"name": "TextGrid"}'))


@pytest.mark.needs_data
def test_the_stories_of_deniz_2019():
    folder = next(
        (
            Path(f) / "deniz2019/textgrids"
            for f in os.environ.get("BRAINPRESS_DATA", "").split(os.pathsep)
            if (Path(f) / "deniz2019/textgrids").is_dir()
        ),
        None,
    )
    if folder is None:
        pytest.skip("needs deniz2019/textgrids on BRAINPRESS_DATA")
    stories = {f.stem: read_textgrid(f) for f in sorted(folder.glob("*.TextGrid"))}
    assert len(stories) == 11
    for tiers in stories.values():
        assert list(tiers) == ["phone", "word"]
        times = [i.onset for i in tiers["word"]]
        assert times == sorted(times)
    # unescaped quotes stand around some words of the published files
    words = [i.label for i in stories["alternateithicatom"]["word"]]
    assert '"HEADS"' in words
