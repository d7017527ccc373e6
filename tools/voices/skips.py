"""Which sentences lost or gained several words in a row: python3 skips.py DIR [words]

DIR is the folder of `resgen eval speech`: of real.heard.tsv and spoken.heard.tsv every line is aligned with that of said.tsv, with as few words
changed, left out and put in as possible. Shown are the sentences in which at least so many words in a row (by default 4) were left out (skipped) or
put in (repeated, or never asked for), and how many there are. A recogniser errs, too: compare with the recordings.
"""

import re
import sys
from pathlib import Path


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+|\d+", text.lower())


def lines(path: Path) -> dict[str, list[str]]:
    rows = (line.split("\t", 1) for line in path.read_text().splitlines())
    return {name: words(text) for name, text in rows}


def longest_runs(said: list[str], heard: list[str]) -> tuple[int, int]:
    """The most words in a row that were left out, and that were put in."""
    cost = [[i + j if i * j == 0 else 0 for j in range(len(heard) + 1)] for i in range(len(said) + 1)]
    for i, a in enumerate(said, 1):
        for j, b in enumerate(heard, 1):
            cost[i][j] = min(cost[i - 1][j - 1] + (a != b), cost[i - 1][j] + 1, cost[i][j - 1] + 1)
    i, j, run, longest = len(said), len(heard), {"out": 0, "in": 0}, {"out": 0, "in": 0}
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + (said[i - 1] != heard[j - 1]):
            i, j, run = i - 1, j - 1, {"out": 0, "in": 0}
            continue
        kind = "out" if i and cost[i][j] == cost[i - 1][j] + 1 else "in"
        i, j = (i - 1, j) if kind == "out" else (i, j - 1)
        run[kind] += 1
        longest[kind] = max(longest[kind], run[kind])
    return longest["out"], longest["in"]


def main() -> None:
    folder, least = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4
    said = lines(folder / "said.tsv")
    for which in ("real", "spoken"):
        heard, bad = lines(folder / f"{which}.heard.tsv"), 0
        for name, text in said.items():
            left_out, put_in = longest_runs(text, heard[name])
            if max(left_out, put_in) >= least:
                bad += 1
                print(f"{which} {name}: {left_out} words in a row left out, {put_in} put in: {' '.join(heard[name])}")
        print(f"{which}: {bad} of {len(said)} sentences with {least} or more words in a row left out or put in")


if __name__ == "__main__":
    main()
