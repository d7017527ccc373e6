"""English sentences from Debian's fortunes, one a line: python3 sentences.py > sentences.txt

Kept are sentences of 4 to 16 words, all of them in Debian's word list, without figures, capitals in a row or marks that are not spoken.
"""

import re
import sys
from pathlib import Path

FORTUNES = Path("/usr/share/games/fortunes")
WORDS = Path("/usr/share/dict/american-english")
ENDS = re.compile(r"(?<=[.!?])[\"']?\s+(?=[\"']?[A-Z])")
SPOKEN = re.compile(r"[A-Z][A-Za-z',;: -]*[.!?]")


def sentences_of(fortune: str) -> list[str]:
    # What follows a dash at the beginning of a line is who said it.
    said = [line for line in fortune.splitlines() if not line.strip().startswith("--")]
    text = re.sub(r"\s+", " ", " ".join(said)).replace('"', "")
    return [sentence.strip() for sentence in ENDS.split(text)]


def main() -> None:
    known = {word.strip().lower() for word in WORDS.read_text(encoding="utf-8").splitlines()}
    found: dict[str, None] = {}
    for path in sorted(FORTUNES.iterdir()):
        if path.suffix or path.name in ("art", "ascii-art", "perl", "drugs", "ethnic", "men-women"):
            continue
        for fortune in path.read_text(encoding="utf-8", errors="replace").split("\n%\n"):
            for sentence in sentences_of(fortune):
                words = re.findall(r"[A-Za-z']+", sentence)
                if 4 <= len(words) <= 16 and SPOKEN.fullmatch(sentence) and "--" not in sentence:
                    if all(word.lower().strip("'") in known for word in words) and not re.search(r"[A-Z]{2}", sentence):
                        found.setdefault(sentence)
    sys.stdout.write("".join(f"{sentence}\n" for sentence in found))


if __name__ == "__main__":
    main()
