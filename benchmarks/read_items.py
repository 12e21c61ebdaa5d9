"""Draw items of GUM's probing tasks for people to read, and count what they say of them.

    python benchmarks/read_items.py draw FOLDER [--items 100] [--seed 22]
    python benchmarks/read_items.py count FOLDER READER READER

``draw`` writes a table for each task, FOLDER/TASK.tsv: number, label, and the text with the place
between « and » (a second one between [ and ]). A reader writes FOLDER/TASK.READER.tsv: number,
``right``, ``wrong`` or ``doubtful``, and why. ``count`` prints, for each task that both have read,
how many each found wrong, how often they agree, and Cohen's kappa of wrong against the rest.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from brainpress_plugins.benchmarks.linguistic.gum_probes.benchmark import prepared

from harness.probe.tasks import ProbeItem

MARKS = (("«", "»"), ("[", "]"))
VERDICTS = ("right", "wrong", "doubtful")


def main() -> None:
    """Draw, or count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    drawing = verbs.add_parser("draw")
    drawing.add_argument("folder", type=Path)
    drawing.add_argument("--items", type=int, default=100)
    drawing.add_argument("--seed", type=int, default=22)
    counting = verbs.add_parser("count")
    counting.add_argument("folder", type=Path)
    counting.add_argument("readers", nargs=2)
    given = parser.parse_args()
    if given.verb == "draw":
        draw(given.folder, given.items, given.seed)
    else:
        count(given.folder, *given.readers)


def draw(folder: Path, most: int, seed: int) -> None:
    """Write the items of every task; those of all parts may be drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    found = prepared()
    for task in found.tasks:
        chance = random.Random(f"{seed} {task.name}")
        items = chance.sample(task.items, min(most, len(task.items)))
        with (folder / f"{task.name}.tsv").open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out, delimiter="\t", lineterminator="\n")
            rows.writerow(("number", "label", "text"))
            for number, item in enumerate(items):
                rows.writerow((number, item.label, marked(item, found.texts)))


def marked(item: ProbeItem, texts: dict[str, str]) -> str:
    """Return the text of an item with its places marked; of two texts, one after the other."""
    names = list(dict.fromkeys(place.text for place in item.places))
    shown = []
    for name in names:
        text = texts[name]
        cuts = [
            (at, mark)
            for place, (opening, closing) in zip(item.places, MARKS, strict=False)
            if place.text == name
            for at, mark in ((place.start, opening), (place.end, closing))
        ]
        for at, mark in sorted(cuts, reverse=True):
            text = text[:at] + mark + text[at:]
        shown.append(" ".join(text.split()))
    return " || ".join(shown)


def count(folder: Path, first: str, second: str) -> None:
    """Print what two readers found."""
    print(f"| task | read | wrong, {first} | wrong, {second} | both | doubtful | agree | kappa |")
    print("|---|---|---|---|---|---|---|---|")
    for path in sorted(folder.glob(f"*.{first}.tsv")):
        task = path.name.removesuffix(f".{first}.tsv")
        other = folder / f"{task}.{second}.tsv"
        if not other.exists():
            continue
        a, b = verdicts(path), verdicts(other)
        numbers = sorted(a.keys() & b.keys())
        wrong = [(a[n] == "wrong", b[n] == "wrong") for n in numbers]
        agree = sum(x == y for x, y in wrong) / len(wrong)
        share = [sum(pair[i] for pair in wrong) / len(wrong) for i in (0, 1)]
        chance = share[0] * share[1] + (1 - share[0]) * (1 - share[1])
        kappa = f"{(agree - chance) / (1 - chance):.2f}" if chance < 1 else ""
        doubtful = sum("doubtful" in (a[n], b[n]) for n in numbers)
        cells = (len(numbers), *(sum(p[i] for p in wrong) for i in (0, 1)))
        both = sum(all(pair) for pair in wrong)
        told = " | ".join(map(str, (*cells, both, doubtful)))
        print(f"| `{task}` | {told} | {agree:.2f} | {kappa} |")


def verdicts(path: Path) -> dict[int, str]:
    """Read a reader's table.

    Raises
    ------
    ValueError
        A verdict is none.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))
    found = {int(row[0]): row[1] for row in rows if row and row[0].isdecimal()}
    if strange := sorted(set(found.values()) - set(VERDICTS)):
        raise ValueError(f"{path}: {strange} is none of {VERDICTS}")
    return found


if __name__ == "__main__":
    main()
