"""What follows: the last sentence is consistent with the ones before it, or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from .grammar import Item, Paradigm, crossed
from .lexicon import (
    MEN,
    NAMES,
    THINGS,
    WOMEN,
    subject_pronoun,
)

#: A thing and two states that exclude each other and leave no third.
OPPOSITES = (
    ("door", "open", "closed"),
    ("cup", "full", "empty"),
    ("soup", "hot", "cold"),
    ("road", "wet", "dry"),
    ("room", "dark", "bright"),
    ("box", "heavy", "light"),
    ("dog", "big", "small"),
    ("test", "hard", "easy"),
    ("man", "old", "young"),
    ("shirt", "clean", "dirty"),
    ("story", "happy", "sad"),
    ("cat", "awake", "asleep"),
    ("water", "deep", "shallow"),
    ("town", "quiet", "noisy"),
    ("rope", "long", "short"),
    ("bed", "soft", "hard"),
    ("house", "old", "new"),
    ("king", "rich", "poor"),
    ("horse", "fast", "slow"),
    ("fish", "alive", "dead"),
    ("answer", "right", "wrong"),
    ("lamp", "on", "off"),
)


def negation() -> Iterator[Item]:
    """Exclude a state (*The door is not open, because it is closed*) or keep it (*still open*).

    The answer is the state not mentioned in the first half of an item and the one mentioned in the
    second, so neither avoiding nor copying a word helps.
    """
    for noun, x, y in OPPOSITES:
        pronoun = {"man": "he", "king": "he"}.get(noun, "it")
        other = crossed(
            f"The {noun} is not {y}, because {pronoun} is {{}}.",
            f"The {noun} is not {x}, because {pronoun} is {{}}.",
            x,
            y,
        )
        same = crossed(
            f"The {noun} was {x}, and {pronoun} is still {{}}.",
            f"The {noun} was {y}, and {pronoun} is still {{}}.",
            x,
            y,
        )
        yield other + same


#: A cause, its effect, and another cause with the effect that the first does not have.
CAUSES = (
    (
        "It rained all night. In the morning the street was {}.",
        "wet",
        "It was hot all week. In the morning the street was {}.",
        "dry",
    ),
    (
        "Tom ate nothing all day. He was very {}.",
        "hungry",
        "Tom did not sleep all night. He was very {}.",
        "tired",
    ),
    ("Lily lost her doll. She was very {}.", "sad", "Lily got a doll. She was very {}.", "happy"),
    ("The sun went down. Soon it was {}.", "dark", "The sun came up. Soon it was {}.", "light"),
    ("Ben dropped the glass. It {}.", "broke", "Ben dropped the ball. It {}.", "bounced"),
    (
        "The water got very cold. It turned into {}.",
        "ice",
        "The water got very hot. It turned into {}.",
        "steam",
    ),
    ("The paper fell in the fire. It {}.", "burned", "The ice lay in the sun. It {}.", "melted"),
    (
        "Jack drank nothing all day. He was very {}.",
        "thirsty",
        "Jack heard a monster at night. He was very {}.",
        "scared",
    ),
    ("The flower got water and sun. It {}.", "grew", "The flower got no water. It {}.", "died"),
    (
        "Anna told a funny joke. Everyone {}.",
        "laughed",
        "Anna told a sad story. Everyone {}.",
        "cried",
    ),
    (
        "Peter worked hard for the test. He {}.",
        "passed",
        "Peter did not read for the test. He {}.",
        "failed",
    ),
    (
        "Mary ran faster than everyone. She came {}.",
        "first",
        "Mary ran slower than everyone. She came {}.",
        "last",
    ),
    (
        "The soup was on the fire. It was {}.",
        "hot",
        "The soup was in the snow. It was {}.",
        "cold",
    ),
    (
        "The boy washed with soap. His hands were {}.",
        "clean",
        "The boy played in the mud. His hands were {}.",
        "dirty",
    ),
    (
        "The stone fell in the river. It {}.",
        "sank",
        "The leaf fell in the river. It {}.",
        "floated",
    ),
    (
        "Emma cut her finger. There was some {}.",
        "blood",
        "Emma made a fire. There was some {}.",
        "smoke",
    ),
    (
        "The teacher was kind. The children {} her.",
        "loved",
        "The witch was mean. The children {} her.",
        "feared",
    ),
    (
        "The sheep were afraid of the wolf. They ran {}.",
        "away",
        "The children were done with school. They ran {}.",
        "home",
    ),
    (
        "John had no coat in the winter. He felt {}.",
        "cold",
        "John sat close to the fire. He felt {}.",
        "warm",
    ),
    ("The dog heard a thief. It {}.", "barked", "The dog was very tired. It {}.", "slept"),
    (
        "Lucy gave me her cake. She is very {}.",
        "kind",
        "Lucy took my cake. She is very {}.",
        "mean",
    ),
    ("Tim ate too much candy. He felt {}.", "sick", "Tim won a big prize. He felt {}.", "proud"),
)


def cause_effect() -> Iterator[Item]:
    """Follow a cause: *It rained all night. In the morning the street was wet*."""
    for frame_x, x, frame_y, y in CAUSES:
        yield crossed(frame_x, frame_y, x, y)


def conditional() -> Iterator[Item]:
    """Apply one of two rules: *When Tom is sad, he sings. When … Today Tom is sad, so he sings*."""
    states = ("happy", "sad", "tired", "bored", "angry", "cold")
    acts = ("sings", "reads", "draws", "dances", "sleeps", "eats")
    # Every state with every act, so that what usually goes together does not help.
    for name, (first, second), (x, y) in product(
        NAMES, combinations(states, 2), combinations(acts, 2)
    ):
        pronoun = subject_pronoun(name)
        rules = f"When {name} is {first}, {pronoun} {x}. When {name} is {second}, {pronoun} {y}."
        yield crossed(
            f"{rules} Today {name} is {first}, so {pronoun} {{}}.",
            f"{rules} Today {name} is {second}, so {pronoun} {{}}.",
            x,
            y,
        )


def motion() -> Iterator[Item]:
    """Follow somebody: *Tom ran from the barn to the park* / *… to the park from the barn*.

    The goal is named last in one half of an item and first in the other.
    """
    places = ("kitchen", "garden", "park", "house", "school", "barn", "forest", "shop")
    for name, verb, (here, there) in product(
        NAMES, ("went", "walked", "ran"), combinations(places, 2)
    ):
        pronoun = subject_pronoun(name)
        end = f"Now {pronoun} is in the {{}}."
        for goal_last, goal_first in (
            ("from the {0} to the {1}", "to the {1} from the {0}"),
            ("out of the {0} and over to the {1}", f"to the {{1}} when {pronoun} left the {{0}}"),
        ):
            yield tuple(
                contrast
                for route in (goal_last, goal_first)
                for contrast in crossed(
                    f"{name} {verb} {route.format(there, here)}. {end}",
                    f"{name} {verb} {route.format(here, there)}. {end}",
                    here,
                    there,
                )
            )


NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def arithmetic() -> Iterator[Item]:
    """Count on and back: *Ben had three cups and got one more. Now he has four cups*."""
    for name, thing, count in product(NAMES, THINGS, range(3, 10)):
        start = f"{name} had {NUMBERS[count - 1]} {thing.many}"
        end = f"Now {subject_pronoun(name)} has {{}} {thing.many}."
        yield crossed(
            f"{start} and got one more. {end}",
            f"{start} and lost one. {end}",
            NUMBERS[count],
            NUMBERS[count - 2],
        )


def transitive_order() -> Iterator[Item]:
    """Order three people from two comparisons: *Tom is taller than Ben. Ben is taller than Jack*.

    Each item asks for the top and for the bottom of the order, so that the name mentioned first is
    the answer as often as the name mentioned last.
    """
    degrees = (
        ("taller", "tallest", "shortest"),
        ("older", "oldest", "youngest"),
        ("faster", "fastest", "slowest"),
        ("stronger", "strongest", "weakest"),
    )
    trios = [
        (names[i], names[(i + 1) % 8], names[(i + step) % 8])
        for names in (MEN, WOMEN)
        for i in range(8)
        for step in (2, 3, 5)
    ]
    for (one, middle, other), (more, most, least) in product(trios, degrees):
        down = f"{one} is {more} than {middle}. {middle} is {more} than {other}."
        up = f"{other} is {more} than {middle}. {middle} is {more} than {one}."
        top, bottom = f"So the {most} is {{}}.", f"So the {least} is {{}}."
        yield crossed(f"{down} {top}", f"{up} {top}", one, other) + crossed(
            f"{up} {bottom}", f"{down} {bottom}", one, other
        )


PARADIGMS = (
    Paradigm("negation", negation),
    Paradigm("cause-effect", cause_effect),
    Paradigm("conditional", conditional),
    Paradigm("motion", motion),
    Paradigm("arithmetic", arithmetic),
    Paradigm("transitive-order", transitive_order),
)
