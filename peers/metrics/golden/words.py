"""Word and character error rates.

Rates depend on the number of edits alone. How many of them are substitutions can depend on which of several
shortest alignments is taken: `unique` says where it does not. jiwer's goes back from the ends, common
beginnings and ends taken away, with D[i][j] the edits of i words of the reference to j of the hypothesis:

    a deletion, where D[i][j] = D[i - 1][j] + 1;
    else an insertion, where D[i][j - 1] = D[i - 1][j - 1] - 1;
    else a hit or a substitution.
"""

import json
from pathlib import Path

import jiwer

from .files import write

SENTENCES = [
    ("the cat sat on the mat", "the cat sat on the mat"),
    ("hello", "hello"),
    ("the cat sat on the mat", ""),
    ("one", ""),
    ("the cat sat on the mat", "the fat cat sat on the mat"),
    ("the cat sat on the mat", "well the cat sat on the mat again"),
    ("good morning", "a very good and warm morning to you"),
    ("the cat sat on the mat", "the cat sat on mat"),
    ("the cat sat on the mat", "cat sat on the"),
    ("all of these words will be gone", "words"),
    ("the cat sat on the mat", "the dog sat on the rug"),
    ("one two three four", "five six seven eight"),
    ("colour", "color"),
    ("kitten", "sitting"),
    ("intention", "execution"),
    ("one two three four five six", "one too four for five six seven"),
    ("he said that she said that he said", "she said he said that"),
    ("a b c d e", "b a c e d"),
    ("no no no no", "no no"),
    ("no no", "no no no no no"),
    ("very very very good", "very good good good"),
    ("the the the the", "the a the a the"),
    ("ha ha ha ha ha ha ha ha", "ho ha ho ha ho ha ho ha"),
    ("Case Matters Here", "case matters here"),
    ("commas, and stops. count!", "commas and stops count"),
    ("it's a dog's life", "its a dogs life"),
    ("schöne grüße aus köln", "schone grüsse aus koln"),
    ("café au lait", "cafe\u0301 au lait"),
    ("naïve façade", "naive facade"),
    ("съешь ещё этих мягких булок", "съешь еще этих булок"),
    ("こんにちは 世界", "こんにちわ 世界"),
    ("今天 天气 很 好", "今天 天气 好"),
    ("smile 😀 please", "smile 😃 please"),
    ("👩‍👩‍👧 family", "👩 family"),
    ("שלום עולם", "שלום לכולם"),
    ("word", "a sentence that is far longer than the single word which it should have been"),
    (
        "a sentence that is far longer than the few words which were written down for it in the end",
        "far fewer words",
    ),
    ("  spaces   between and around  ", "spaces between and around"),
    ("a\ttab and\na new line", "a tab and a new line"),
    ("0 1 2 3 4 5 6 7 8 9", "0 1 2 3 5 4 6 7 8 9"),
    ("three million four hundred", "3 million 400"),
]
EMPTY = [("", ""), ("", "two words"), ("  ", "x")]


def split_words(sentences: list[str]) -> list[list[str]]:
    """At any white space; jiwer's own words end at spaces alone."""
    return [sentence.split() for sentence in sentences]


def split_characters(sentences: list[str]) -> list[list[str]]:
    """As jiwer's own: without white space at the ends, code points, spaces among them."""
    return [list(sentence.strip()) for sentence in sentences]


def counted(found: jiwer.WordOutput) -> dict[str, int]:
    names = ("substitutions", "deletions", "insertions", "hits")
    return {name: getattr(found, name) for name in names}


def is_only_way(reference: list[str], hypothesis: list[str]) -> bool:
    """Whether all shortest alignments have the same number of insertions, and so of everything else."""
    row = [
        (column, column, column) for column in range(len(hypothesis) + 1)
    ]  # edits, fewest and most insertions
    for index, left in enumerate(reference, 1):
        above, row = row, [(index, 0, 0)]
        for column, right in enumerate(hypothesis, 1):
            steps = [(above[column - 1], left != right, 0), (above[column], 1, 0), (row[-1], 1, 1)]
            least = min(edits + cost for (edits, _, _), cost, _ in steps)
            ways = [
                (few + new, many + new) for (edits, few, many), cost, new in steps if edits + cost == least
            ]
            row.append((least, min(few for few, _ in ways), max(many for _, many in ways)))
    return row[-1][1] == row[-1][2]


def compared(pairs: list[tuple[str, str]]) -> dict:
    """Rates and counts over all pairs together: errors are summed before they are divided."""
    reference, hypothesis = (list(side) for side in zip(*pairs, strict=True))
    words = jiwer.process_words(reference, hypothesis, split_words, split_words)
    characters = jiwer.process_characters(reference, hypothesis, split_characters, split_characters)
    own = jiwer.process_characters(reference, hypothesis)
    assert counted(own) == counted(characters), "jiwer's own characters are others"
    return {
        "wer": float(words.wer),
        "cer": float(characters.cer),
        "words": counted(words),
        "characters": counted(characters),
    }


def described(reference: str, hypothesis: str) -> dict:
    found = compared([(reference, hypothesis)])
    for key, split in (("words", split_words), ("characters", split_characters)):
        found[key]["unique"] = is_only_way(*split([reference, hypothesis]))
    return {"reference": reference, "hypothesis": hypothesis, **found}


def words_golden(folder: Path) -> None:
    pairs = [described(*pair) for pair in SENTENCES]
    empty = [described(*pair) for pair in EMPTY]
    split = [sum(one[key]["unique"] for one in pairs) for key in ("words", "characters")]
    print(f"words        {len(pairs)} pairs; counts can be one way only in {split} of them")
    lists = {"pairs": pairs, "empty_references": empty}
    lines = {
        name: "[\n" + ",\n".join("    " + json.dumps(one, ensure_ascii=False) for one in found) + "\n  ]"
        for name, found in lists.items()
    }
    body = ",\n".join(f'  "{name}": {text}' for name, text in lines.items())
    total = json.dumps(compared(SENTENCES), ensure_ascii=False)
    write(folder / "metrics-words.json", f'{{\n  "total": {total},\n{body}\n}}\n'.encode())
