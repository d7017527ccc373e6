"""What PocketSphinx hears in sound files: python transcribe.py FILE... > heard.tsv

A line for each file: its name, a tab and the words. Files are 16-bit WAV of one channel and 16,000 samples a second (`-` reads their names from
the standard input). The model is the English one that the Python package brings: a recogniser that nobody here wrote.
"""

import os
import sys
import wave
from concurrent.futures import ProcessPoolExecutor

from pocketsphinx import Decoder

decoder = None


def transcribe(path: str) -> str:
    global decoder
    if decoder is None:
        decoder = Decoder(samprate=16000, loglevel="FATAL")
    with wave.open(path, "rb") as sound:
        if (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) != (1, 2, 16000):
            raise SystemExit(f"{path}: expected 16-bit WAV of one channel at 16,000 Hz")
        samples = sound.readframes(sound.getnframes())
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis else ""


def main() -> None:
    paths = [line.rstrip("\n") for line in sys.stdin] if sys.argv[1:] == ["-"] else sys.argv[1:]
    with ProcessPoolExecutor(int(os.environ.get("JOBS", os.cpu_count() or 1))) as pool:
        for path, words in zip(paths, pool.map(transcribe, paths, chunksize=8)):
            print(f"{path}\t{words}", flush=True)


if __name__ == "__main__":
    main()
