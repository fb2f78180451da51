#!/usr/bin/env python3
"""eval_kill.py - an evaluation killed at any moment and started again counts every photo once."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

KILLS = 12
PHOTOS = 40

diffcut = os.environ["DIFFCUT"]
here = pathlib.Path(__file__).parent


def line(folder, *more):
    return [diffcut, "eval", "--set", "generic", "--data", "set", "--classes", "4", "--ignore", "255", "--size", "128",
            "--sweep", "tau=0.2:0.4:0.1,refine=on,off", "--replicates", "0", "-q", "--cache", "cache", "-o", folder, *more]


def figures(folder):
    photos = sorted(pathlib.Path(folder, "photos.csv").read_text().splitlines())
    return photos, [pathlib.Path(folder, name).read_bytes() for name in ("settings.csv", "classes.csv")]


def main():
    random.seed(1)
    subprocess.run([sys.executable, here / "eval_data.py", "set", str(PHOTOS)], check=True)
    started = time.monotonic()
    subprocess.run(line("whole"), check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - started
    killed = 0
    shutil.rmtree("cache")
    while killed < KILLS:
        process = subprocess.Popen(line("part"), stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=random.uniform(0, whole / 6))
            break  # all is done
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    done = subprocess.run(line("part"), check=False, stdout=subprocess.DEVNULL).returncode
    assert done == 0, f"exit status {done} after {killed} kills"
    assert figures("part") == figures("whole"), f"other figures after {killed} kills"
    lines = pathlib.Path("part", "journal.jsonl").read_text().splitlines()
    assert len(lines) == PHOTOS + 1, f"{len(lines)} lines in the journal of {PHOTOS} photos"

    # Two at once: the second is told, and harms nothing.
    process = subprocess.Popen(line("both"), stdout=subprocess.DEVNULL)
    journal = pathlib.Path("both", "journal.jsonl")
    while not journal.exists() or journal.stat().st_size == 0:  # its first line is written under the lock
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)
    second = subprocess.run(line("both"), check=False, capture_output=True, text=True)
    process.send_signal(signal.SIGCONT)
    assert process.wait() == 0
    assert second.returncode == 1 and "another process is at work on it" in second.stderr, second.stderr
    assert figures("both") == figures("whole")
    print(f"{killed} kills")


with tempfile.TemporaryDirectory(prefix="diffcut-eval.") as work:
    os.chdir(work)
    main()
