"""A corpus of synthetic speech with exact transcripts: python3 make-voices.py OUT [sentences.txt]

Four voices of flite, each with other lengths of the vocal tract (played faster or slower at its old pace, by sox) and other pitches: 50 speakers.
Seven of them, and 600 sentences, are held out: nobody in `train` speaks like them, and nobody says what they say.

    OUT/train/<speaker>/<number>.wav     OUT/train/manifest.tsv      145 recordings a speaker, of one, two or three sentences
    OUT/heldout/<speaker>/<number>.wav   OUT/heldout/manifest.tsv     80 sentences a speaker
    OUT/hard/<speaker>/<number>.wav      OUT/hard/manifest.tsv        the 20 of hard.txt, by those who are held out

16-bit WAV of one channel at 16,000 Hz. Files that are there are not made again. Needs flite, sox and, for sentences.py, fortunes and wamerican.
"""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

VOICES = ("awb", "kal16", "rms", "slt")
TRACTS = (0.85, 0.92, 1.0, 1.08, 1.17)
PITCHES = (0.85, 1.0, 1.2)
HELD_OUT = {("awb", 0.92, 1.2), ("awb", 1.08, 0.85), ("kal16", 0.85, 1.0), ("kal16", 1.08, 1.2), ("rms", 1.08, 1.0), ("slt", 0.92, 1.0), ("slt", 1.17, 0.85)}
SENTENCES_HELD_OUT = 600
EACH = {"train": 145, "heldout": 80, "hard": 20}
# Whoever is to speak after a recording of three seconds has to have heard longer ones than a sentence.
SENTENCES_IN_ONE = {"train": (1, 1, 1, 2, 2, 3), "heldout": (1,), "hard": (1,)}


def speakers() -> list[tuple[str, float, float]]:
    # rms has a pitch of its own that flite does not change.
    return [(voice, tract, pitch) for voice in VOICES for tract in TRACTS for pitch in PITCHES if voice != "rms" or pitch == 1.0]


def name_of(speaker: tuple[str, float, float]) -> str:
    voice, tract, pitch = speaker
    return f"{voice}-{round(tract * 100)}-{round(pitch * 100)}"


def speak(speaker: tuple[str, float, float], pace: float, text: str, path: Path) -> None:
    if path.exists():
        return
    voice, tract, pitch = speaker
    raw, done = path.with_suffix(".raw.wav"), path.with_suffix(".part.wav")
    settings = ["--setf", f"f0_shift={pitch}", "--setf", f"duration_stretch={1 / pace:.3f}"]
    subprocess.run(["flite", "-voice", voice, *settings, "-t", text, "-o", raw], check=True)
    effects = ["speed", str(tract), "tempo", "-s", f"{1 / tract:.4f}"] if tract != 1.0 else []
    subprocess.run(["sox", "-D", "-V1", "-v", "0.8", raw, "-r", "16000", "-b", "16", "-c", "1", done, *effects], check=True)
    raw.unlink()
    done.rename(path)


def main() -> None:
    out = Path(sys.argv[1])
    source = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    listed = source.read_text() if source else subprocess.run([sys.executable, Path(__file__).parent / "sentences.py"], check=True, capture_output=True, text=True).stdout
    sentences = listed.splitlines()
    rng = random.Random(1)
    rng.shuffle(sentences)
    parts = {"heldout": sentences[:SENTENCES_HELD_OUT], "train": sentences[SENTENCES_HELD_OUT:]}
    parts["hard"] = (Path(__file__).parent / "hard.txt").read_text().splitlines()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for split in EACH:
            lines, jobs = ["path\ttext\tspeaker"], []
            for speaker in (s for s in speakers() if (s in HELD_OUT) == (split != "train")):
                name = name_of(speaker)
                (out / split / name).mkdir(parents=True, exist_ok=True)
                counts = rng.choices(SENTENCES_IN_ONE[split], k=EACH[split])
                chosen = iter(rng.sample(parts[split], sum(counts)))
                for number, count in enumerate(counts):
                    text = " ".join(islice(chosen, count))
                    pace = rng.uniform(0.92, 1.08)
                    path = Path(name) / f"{number:03}.wav"
                    jobs.append(pool.submit(speak, speaker, pace, text, out / split / path))
                    lines.append(f"{path}\t{text}\t{name}")
            for done, job in enumerate(jobs):
                job.result()
                if done % 500 == 0:
                    print(f"{split}: {done} of {len(jobs)}", file=sys.stderr, flush=True)
            (out / split / "manifest.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
