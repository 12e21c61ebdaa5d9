"""What words mean: who can do what to what, with what, where, and what it is like."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from .grammar import (
    Item,
    Paradigm,
    crossed,
    reordered,
    turns,
)
from .lexicon import NAMES

PERSONS = ("boy", "girl", "man", "woman", "teacher", "farmer", "queen")

#: What people do, and to what; never the other way round.
ACTS = (
    ("ate", ("bread", "cake", "apple", "soup")),
    ("read", ("book", "letter", "story")),
    ("kicked", ("ball", "stone", "box")),
    ("opened", ("door", "window", "gate")),
    ("drank", ("milk", "water", "tea")),
    ("climbed", ("tree", "wall", "hill")),
    ("wore", ("hat", "coat", "dress")),
    ("drove", ("car", "truck", "bus")),
    ("bought", ("chair", "lamp", "bike")),
    ("threw", ("ball", "rope", "stick")),
)


def role_reversal() -> Iterator[Item]:
    """Tell agent from patient: *The boy ate the bread*, not *The bread ate the boy*."""
    for person, (verb, things) in product(PERSONS, ACTS):
        for thing in things:
            yield reordered(
                f"The {person} {verb} the {thing}.", f"The {thing} {verb} the {person}."
            )


#: Two verbs with an object each; neither object goes with the other verb.
OBJECTS = (
    ("drank", "milk", "ate", "bread"),
    ("read", "book", "rode", "horse"),
    ("wore", "coat", "cooked", "soup"),
    ("climbed", "tree", "poured", "water"),
    ("opened", "door", "lit", "candle"),
    ("sang", "song", "threw", "ball"),
    ("drove", "car", "planted", "seeds"),
    ("flew", "kite", "fed", "cow"),
    ("rang", "bell", "wrote", "letter"),
    ("told", "story", "baked", "cake"),
    ("played", "piano", "washed", "dishes"),
    ("built", "bridge", "heard", "music"),
    ("pushed", "cart", "picked", "flowers"),
    ("sailed", "boat", "cooked", "dinner"),
    ("locked", "gate", "peeled", "orange"),
    ("solved", "puzzle", "hugged", "baby"),
    ("spent", "money", "climbed", "mountain"),
    ("watered", "plants", "answered", "question"),
    ("swept", "floor", "woke", "baby"),
    ("tied", "rope", "spilled", "water"),
    ("crossed", "river", "closed", "window"),
    ("won", "race", "fried", "egg"),
)


def object_fit() -> Iterator[Item]:
    """Give a verb an object it can have: *Lily drank the milk* / *Lily ate the bread*."""
    for (verb_x, x, verb_y, y), name in zip(OBJECTS, turns(NAMES), strict=False):
        yield crossed(f"{name} {verb_x} the {{}}.", f"{name} {verb_y} the {{}}.", x, y)


#: Two things and what each is like.
PROPERTIES = (
    ("fire", "hot", "ice", "cold"),
    ("snow", "white", "grass", "green"),
    ("sugar", "sweet", "lemon", "sour"),
    ("rock", "hard", "pillow", "soft"),
    ("night", "dark", "sun", "bright"),
    ("elephant", "big", "mouse", "small"),
    ("feather", "light", "stone", "heavy"),
    ("knife", "sharp", "ball", "round"),
    ("ocean", "deep", "mountain", "high"),
    ("turtle", "slow", "car", "fast"),
    ("blood", "red", "sky", "blue"),
    ("banana", "yellow", "coal", "black"),
    ("rain", "wet", "desert", "dry"),
    ("king", "rich", "beggar", "poor"),
    ("baby", "young", "grandfather", "old"),
    ("library", "quiet", "thunder", "loud"),
    ("ant", "tiny", "whale", "huge"),
    ("honey", "sweet", "sea", "salty"),
    ("giant", "tall", "rope", "long"),
    ("clown", "funny", "teacher", "smart"),
    ("glue", "sticky", "glass", "smooth"),
    ("lion", "brave", "bed", "warm"),
)


def property_fit() -> Iterator[Item]:
    """Give a thing a property it has: *The fire is very hot* / *The ice is very cold*."""
    for noun_x, x, noun_y, y in PROPERTIES:
        yield crossed(f"The {noun_x} is very {{}}.", f"The {noun_y} is very {{}}.", x, y)


#: Two events and where each takes place.
PLACES = (
    ("The fish swam in the {}.", "water", "The bird flew in the {}.", "sky"),
    ("The baker made bread in the {}.", "kitchen", "The farmer grew corn in the {}.", "field"),
    ("The king lived in a big {}.", "castle", "The bear slept in a big {}.", "cave"),
    ("The train stopped at the {}.", "station", "The ship stopped at the {}.", "harbor"),
    ("We bought food at the {}.", "market", "We read books at the {}.", "library"),
    ("The doctor works at the {}.", "hospital", "The teacher works at the {}.", "school"),
    ("We saw lions at the {}.", "zoo", "We saw a play at the {}.", "theater"),
    ("The milk is in the {}.", "fridge", "The car is in the {}.", "garage"),
    ("The boat is on the {}.", "lake", "The bus is on the {}.", "road"),
    ("The moon is in the {}.", "sky", "The worm is in the {}.", "ground"),
    ("The baby sleeps in the {}.", "crib", "The cow sleeps in the {}.", "barn"),
    ("She washed her hands in the {}.", "sink", "She cooked the soup in the {}.", "pot"),
    ("He put the money in the {}.", "bank", "He put the flowers in the {}.", "vase"),
    ("The people pray in the {}.", "church", "The people swim in the {}.", "pool"),
    ("The judge sat in the {}.", "court", "The pilot sat in the {}.", "plane"),
    ("The spider sat in its {}.", "web", "The bird sat in its {}.", "nest"),
    ("The bees flew to the {}.", "flowers", "The soldiers marched to the {}.", "war"),
    ("He hung the picture on the {}.", "wall", "He put the plates on the {}.", "table"),
    ("They built a castle of {}.", "sand", "They made a big ball of {}.", "snow"),
    ("The fish live in the {}.", "sea", "The monkeys live in the {}.", "jungle"),
    ("The mouse ran into its {}.", "hole", "The man got into his {}.", "car"),
)


def place_fit() -> Iterator[Item]:
    """Put an event in its place: *The fish swam in the water* / *The bird flew in the sky*."""
    for frame_x, x, frame_y, y in PLACES:
        yield crossed(frame_x, frame_y, x, y)


#: Kinds that share no member, with some of each.
KINDS = (
    ("fruit", ("apple", "banana", "pear", "orange")),
    ("bird", ("owl", "eagle", "duck", "crow")),
    ("flower", ("rose", "daisy", "tulip")),
    ("fish", ("shark", "salmon", "tuna")),
    ("insect", ("ant", "bee", "fly")),
    ("tool", ("hammer", "drill", "shovel")),
    ("furniture", ("chair", "table", "sofa")),
    ("vegetable", ("carrot", "potato", "onion")),
    ("toy", ("doll", "puzzle")),
    ("building", ("castle", "barn", "church")),
)


def kind() -> Iterator[Item]:
    """Name the kind: *The apple is a kind of fruit* / *The owl is a kind of bird*."""
    for (x, members_x), (y, members_y) in combinations(KINDS, 2):
        for member_x, member_y in product(members_x, members_y):
            yield crossed(
                f"The {member_x} is a kind of {{}}.", f"The {member_y} is a kind of {{}}.", x, y
            )


#: Two acts and what each is done with.
INSTRUMENTS = (
    ("She cut the bread with a {}.", "knife", "She wrote the letter with a {}.", "pen"),
    ("He ate the soup with a {}.", "spoon", "He hit the nail with a {}.", "hammer"),
    ("She swept the floor with a {}.", "broom", "She tied the box with a {}.", "rope"),
    ("He dug the hole with a {}.", "shovel", "He dried his hands with a {}.", "towel"),
    ("She opened the lock with a {}.", "key", "She fixed her hair with a {}.", "brush"),
    ("He caught the fish with a {}.", "net", "He dried the dishes with a {}.", "cloth"),
    ("She lit the candle with a {}.", "match", "She cleaned the window with a {}.", "cloth"),
    ("He took a photo with a {}.", "camera", "He carried the water with a {}.", "bucket"),
    ("She saw the stars through a {}.", "telescope", "She drank the juice through a {}.", "straw"),
    ("They crossed the river on a {}.", "bridge", "They climbed to the roof on a {}.", "ladder"),
    ("He caught the mouse with a {}.", "trap", "He cooked the soup with a {}.", "pot"),
    ("She dried her tears with a {}.", "tissue", "She sewed the dress with a {}.", "needle"),
    ("He wrote on the board with {}.", "chalk", "He washed his hands with {}.", "soap"),
    ("She covered the bed with a {}.", "blanket", "She lit the room with a {}.", "lamp"),
    ("He fixed the torn paper with {}.", "glue", "He filled the cup with {}.", "water"),
    ("He hit the drum with a {}.", "stick", "He tied the gift with a {}.", "ribbon"),
    ("They made the cake with {}.", "flour", "They made the wall with {}.", "bricks"),
    ("The knight fought with a {}.", "sword", "The girl drew with a {}.", "pencil"),
    ("The cook ate rice with a {}.", "spoon", "The guard locked the gate with a {}.", "key"),
    ("The boy rode home on a {}.", "bike", "The woman sat to rest on a {}.", "bench"),
    ("She made the sweater from {}.", "wool", "She made the pie from {}.", "apples"),
)


def instrument() -> Iterator[Item]:
    """Choose the tool: *She cut the bread with a knife* / *She wrote the letter with a pen*."""
    for frame_x, x, frame_y, y in INSTRUMENTS:
        yield crossed(frame_x, frame_y, x, y)


PARADIGMS = (
    Paradigm("role-reversal", role_reversal),
    Paradigm("object-fit", object_fit),
    Paradigm("property-fit", property_fit),
    Paradigm("place-fit", place_fit),
    Paradigm("kind", kind),
    Paradigm("instrument", instrument),
)
