# ruff: noqa: RUF001
"""Two fixed texts that every model is examined on.

Both were written for this project. Changing one changes what an examination finds: raise its
version (:data:`harness.lm.examination.VERSION`).
"""

from __future__ import annotations

PAGE = """The dog wants the ball. She was born in 1987 and moved away in 2010 with 3 cats.

  1. Naïve café, “quoted” — and e\u0301 (combining); I'LL, we've, don't!
\tTabs\tand   runs  of    spaces     before 12,345.67 numbers   99
Die Straße heißt „Größe“; Ça va? ¿Qué tal? Žluťoučký kůň. Привет, мир! Γειά σου Κόσμε.
你好，世界。今天天气很好！日本語のテキスト、カタカナ。한국어 문장입니다.
नमस्ते दुनिया। שלום עולם مرحبا بالعالم ١٢٣ ไทยภาษา Tiếng Việt ạ
🙂🙂 👩\u200d👩\u200d👧 ½ × ∑ ≠ €5 $6 <b>html</b> def f(x):\n    return x**2  # note\r\n\r\n
end aaaaaaa ----- ======== \u00a0nbsp\u200bzw"""
"""Several scripts, numbers, code and white space: what tokenizers differ in."""

PROSE = (
    "The lighthouse keeper had been alone on the rock since October. Every morning he climbed the "
    "stairs, cleaned the great lamp, and wrote the weather in a book with a blue cover. There was "
    "usually little to write. The wind came from the west, the sea was grey, and no ship passed. "
    "In the evening he cooked potatoes and fish, listened to the radio, and went to bed early.",
    "One night in December he heard somebody knocking at the door. At first he thought that it was "
    "the storm, because nobody could land on the rock in such a sea. Then he heard it again: three "
    "slow knocks, and a voice that called his name. He took the lantern from its hook and went "
    "down, holding on to the rail with his other hand.",
    "When he opened the door, his sister was standing there in a wet coat, laughing. She had come "
    "out with the fishermen, she said, because it was his birthday and he had surely forgotten it. "
    "She had brought a cake, two letters, and a small black dog that was already asleep in her "
    "bag. He did not know what to say, so he put the kettle on.",
    "They talked until it was light. She told him about the children, the new school, and the "
    "neighbour who had sold his house and moved to the city. He told her about the seals that came "
    "in spring, and about the storm that had broken two windows. When she left the next day, the "
    "dog stayed behind, and the keeper was not alone any more.",
)
"""Four paragraphs of plain English, about 1,500 characters."""
