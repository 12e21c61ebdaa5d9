"""What holds sentences together: reference, connectives, order of events, questions."""

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
from .lexicon import (
    ANIMALS,
    MEN,
    NAMES,
    PEOPLE,
    THINGS,
    WOMEN,
    subject_pronoun,
)

#: What somebody did, and did next.
EPISODES = (
    ("went to the park.", "played with a ball"),
    ("was very hungry.", "ate some bread"),
    ("got a new book.", "read it all day"),
    ("ran up the hill.", "looked at the sea"),
    ("found an old map.", "went to look for gold"),
    ("heard a loud noise.", "ran to the window"),
    ("lost a shoe.", "had to walk home"),
    ("was tired.", "went to bed"),
    ("saw a big dog.", "hid behind a tree"),
    ("made a cake.", "took it to school"),
    ("fell into the mud.", "started to cry"),
    ("opened the box.", "found a toy inside"),
    ("met a friend.", "began to smile"),
    ("went to the shop.", "bought some milk"),
)


def pronoun_gender() -> Iterator[Item]:
    """Refer back: *Lily was tired. Then she went to bed* / *Tom was tired. Then he …*."""
    for (woman, man), (first, then) in product(zip(WOMEN, MEN, strict=True), EPISODES):
        yield crossed(
            f"{woman} {first} Then {{}} {then}.", f"{man} {first} Then {{}} {then}.", "she", "he"
        )


#: A cause, its effect, and what denies that effect.
CONSEQUENCES = (
    ("was hungry", "ate some bread", "did not eat"),
    ("was tired", "went to bed", "did not sleep"),
    ("was thirsty", "drank some water", "did not drink"),
    ("was cold", "put on a coat", "did not wear a coat"),
    ("felt sick", "went to the doctor", "went to school"),
    ("heard a joke", "laughed", "did not laugh"),
    ("lost the game", "was sad", "was happy"),
    ("won the race", "was happy", "was sad"),
    ("was late", "ran to school", "walked slowly"),
    ("saw a snake", "ran away", "was not afraid"),
    ("was dirty", "took a bath", "did not wash"),
    ("loved the song", "sang along", "did not sing"),
    ("had no money", "stayed at home", "bought a car"),
    ("broke the cup", "said sorry", "did not say sorry"),
    ("was bored", "went out to play", "stayed in the room"),
    ("was afraid", "called for help", "did not cry"),
    ("had a map", "found the way", "got lost"),
    ("worked hard", "passed the test", "failed the test"),
    ("fell down", "started to cry", "did not cry"),
    ("got a gift", "said thank you", "was not happy"),
)


def connective() -> Iterator[Item]:
    """Join cause and effect: *Tom was tired so he went to bed* / *… but he did not sleep*."""
    names = turns(NAMES)
    for number, (cause, effect, denial) in enumerate(CONSEQUENCES):
        name = next(names)
        pronoun = subject_pronoun(name)
        forward = f"{name} {cause} {{}} {pronoun} {effect}."
        if number % 2:
            yield crossed(forward, f"{name} {effect} {{}} {pronoun} {cause}.", "so", "because")
        else:
            yield crossed(forward, f"{name} {cause} {{}} {pronoun} {denial}.", "so", "but")


def information_status() -> Iterator[Item]:
    """Put new before given: *Lily saw a dog. Then the dog ran away*, not *the dog … a dog*."""
    verbs = ("saw", "met", "heard", "found")
    events = ("ran away", "came closer", "looked up", "sat down", "went home")
    for name, verb, noun, event in product(NAMES, verbs, ANIMALS + PEOPLE, events):
        yield reordered(
            f"{name} {verb} a {noun.one}. Then the {noun.one} {event}.",
            f"{name} {verb} the {noun.one}. Then a {noun.one} {event}.",
        )


#: Two wholes, a part of each, and what is said of the part.
BRIDGES = (
    ("saw a house.", "door", "read a book.", "cover", "was red"),
    ("got into a car.", "engine", "listened to a bird.", "song", "was loud"),
    ("found a bike.", "wheel", "found a cup.", "handle", "was broken"),
    ("saw a tree.", "trunk", "saw a boat.", "sail", "was big"),
    ("met a king.", "crown", "saw a bird.", "beak", "was yellow"),
    ("drew a lion.", "mane", "drew an elephant.", "trunk", "was huge"),
    ("went to a school.", "teacher", "went to a hospital.", "nurse", "was kind"),
    ("got on a bus.", "driver", "got on a ship.", "captain", "was friendly"),
    ("was at a wedding.", "bride", "was at a concert.", "singer", "was beautiful"),
    ("ate at a restaurant.", "waiter", "went to a circus.", "clown", "was funny"),
    ("lay in the garden.", "grass", "lay on the beach.", "sand", "was warm"),
    ("read a book.", "story", "cooked dinner.", "soup", "was good"),
    ("got a letter.", "stamp", "got a coat.", "button", "was blue"),
    ("took a knife.", "blade", "took a lamp.", "bulb", "was new"),
    ("played the guitar.", "string", "sat on a chair.", "leg", "was weak"),
    ("went into a church.", "bell", "waited for a train.", "whistle", "was loud"),
    ("saw a movie.", "actor", "watched a race.", "winner", "was tall"),
    ("walked into a forest.", "path", "walked into a room.", "carpet", "was soft"),
    ("had a birthday.", "cake", "had a fire.", "smoke", "was sweet"),
    ("came to a river.", "bridge", "came to a mountain.", "peak", "was high"),
    ("came to a castle.", "tower", "came to a farm.", "barn", "was old"),
)


def bridging() -> Iterator[Item]:
    """Bridge from whole to part: *Tom saw a house. The door was red* / *… a book. The cover …*."""
    for (whole_x, x, whole_y, y, predicate), name in zip(BRIDGES, turns(NAMES), strict=False):
        yield crossed(
            f"{name} {whole_x} The {{}} {predicate}.",
            f"{name} {whole_y} The {{}} {predicate}.",
            x,
            y,
        )


#: What comes first, and what can only come after it.
SCRIPTS = (
    ("woke up", "ate breakfast"),
    ("opened the door", "went inside"),
    ("filled the tub", "took a bath"),
    ("cooked the soup", "ate the soup"),
    ("bought the book", "read the book"),
    ("caught the fish", "cooked the fish"),
    ("wrote the letter", "sent the letter"),
    ("drew the picture", "showed Mom the picture"),
    ("baked the cake", "ate the cake"),
    ("found the key", "opened the box with the key"),
    ("got on the bus", "rode to town"),
    ("got dirty", "took a bath"),
    ("climbed up the tree", "jumped down"),
    ("lost the ball", "found the ball again"),
    ("broke the cup", "fixed the cup"),
    ("picked some apples", "made a pie"),
    ("fell asleep", "had a dream"),
    ("built the tower", "knocked down the tower"),
    ("made the sandwich", "ate the sandwich"),
    ("went to the shop", "bought some bread"),
    ("lit the candle", "blew out the candle"),
    ("wrapped the gift", "gave the gift to a friend"),
    ("got the letter", "read the letter"),
    ("washed the dishes", "dried the dishes"),
    ("opened the book", "read the first page"),
    ("turned on the light", "looked around the room"),
    ("poured the milk", "drank the milk"),
    ("packed a bag", "went on a trip"),
    ("planted the seeds", "picked the flowers"),
    ("fell down", "got up again"),
    ("got sick", "went to the doctor"),
    ("sat down at the table", "ate dinner"),
    ("put on a coat", "went out into the snow"),
    ("took off the coat", "hung up the coat"),
    ("cut the bread", "put butter on the bread"),
    ("saved some money", "bought a bike"),
    ("learned the song", "sang the song for us"),
    ("dug the hole", "put a tree in the hole"),
    ("found the puppy", "gave the puppy a name"),
    ("stopped the car", "got out of the car"),
    ("won the race", "got a prize"),
    ("asked a question", "heard the answer"),
)


def event_order() -> Iterator[Item]:
    """Keep events in order: *First Tom woke up. Then he ate breakfast*, not the reverse."""
    for (first, then), name in zip(SCRIPTS, turns(NAMES), strict=False):
        pronoun = subject_pronoun(name)
        yield reordered(
            f"First {name} {first}. Then {pronoun} {then}.",
            f"First {name} {then}. Then {pronoun} {first}.",
        )


#: Questions about a thing, and answers that fit no other of them.
QUESTIONS = (
    ("What color is this {}?", ("red", "blue", "green", "white", "black")),
    ("How old is this {}?", ("old", "new")),
    ("Whose {} is this?", ("mine", "yours", "hers")),
    ("Where is this {}?", ("here", "outside", "inside", "upstairs")),
)


def question_answer() -> Iterator[Item]:
    """Answer what was asked: *What color is this hat? It is red* / *Whose hat is this? … mine*."""
    for (ask_x, answers_x), (ask_y, answers_y) in combinations(QUESTIONS, 2):
        for noun, x, y in product(THINGS, answers_x, answers_y):
            yield crossed(
                f"{ask_x.format(noun.one)} It is {{}}.",
                f"{ask_y.format(noun.one)} It is {{}}.",
                x,
                y,
            )


PARADIGMS = (
    Paradigm("pronoun-gender", pronoun_gender),
    Paradigm("connective", connective),
    Paradigm("information-status", information_status),
    Paradigm("bridging", bridging),
    Paradigm("event-order", event_order),
    Paradigm("question-answer", question_answer),
)
