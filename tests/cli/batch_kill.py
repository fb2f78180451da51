#!/usr/bin/env python3
"""batch_kill.py [KILLS [PHOTOS]] - a batch that is killed at any moment, crashes, or runs out of disk goes on as if nothing
had been. bench/kills.sh runs the long form."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

diffcut = os.environ["DIFFCUT"]
here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))
import photos  # noqa: E402

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 8
PHOTOS = int(sys.argv[2]) if len(sys.argv) > 2 else 36


def line(folder, *more):
    return [diffcut, "segment", "photos", "--size", "64", "--iterations", "2", "--resume", "-q", "-o", folder, *more]


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, check=False, **more)


def outputs(folder):
    """Every file but the record; times and paths of the output folder are left out of the summaries."""
    found = {}
    for path in pathlib.Path(folder).rglob("*"):
        assert not path.name.startswith("."), f"left behind: {path}"
        if path.suffix == ".json":
            found[path.name] = strip(path.read_bytes())
        elif path.is_file() and path.suffix != ".jsonl":
            found[path.name] = path.read_bytes()
    return found


def strip(summary):
    summary = json.loads(summary)
    del summary["seconds"]
    return summary


def members(folder):
    """Of finished shards, which are all that may be there."""
    found = {}
    for path in pathlib.Path(folder).iterdir():
        if path.suffix == ".jsonl":
            continue
        assert path.suffix == ".tar", f"left behind: {path}"
        with tarfile.open(path) as archive:
            for member in archive:
                assert member.name not in found, f"{member.name} is there twice"
                data = archive.extractfile(member).read()
                found[member.name] = strip(data) if member.name.endswith(".json") else data
    return found


def last_lines(manifest):
    lines = {}
    for text in pathlib.Path(manifest).read_text().splitlines():
        entry = json.loads(text)
        if "id" in entry:
            lines[entry["name"]] = entry
    return lines


def kill_often(folder, seconds, *more):
    killed = 0
    while killed < KILLS:
        process = subprocess.Popen(line(folder, *more), stderr=subprocess.PIPE)
        try:
            _, errors = process.communicate(timeout=random.uniform(0, 2.5 * seconds / KILLS))
            assert process.returncode == 0, errors
            shutil.rmtree(folder)  # done too soon: from the start
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
    done = run(*line(folder, *more))
    assert done.returncode == 0, done.stderr


def test_kills():
    started = time.monotonic()
    subprocess.run(line("whole"), check=True)
    seconds = time.monotonic() - started
    kill_often("part", seconds)
    assert outputs("part") == outputs("whole")
    lines = last_lines("part/manifest.jsonl")
    assert len(lines) == PHOTOS and {entry["status"] for entry in lines.values()} == {"done"}, lines
    for entry in lines.values():
        for output in entry["outputs"]:
            data = pathlib.Path("part", output["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == output["sha256"], output
    again = run(*line("part", "-v", "--json"))
    assert again.stdout.count('"skipped"') == PHOTOS, again.stdout


def test_kills_with_shards():
    shards = ("--out-shards", "s-%03d.tar", "--shard-count", "5")
    started = time.monotonic()
    subprocess.run(line("whole-shards", *shards), check=True)
    seconds = time.monotonic() - started
    kill_often("part-shards", seconds, *shards)
    assert members("part-shards") == members("whole-shards")
    assert len(members("part-shards")) == 2 * PHOTOS


def test_lock():
    """Two at one record: the second is told, and harms nothing."""
    first = subprocess.Popen(line("both"))
    manifest = pathlib.Path("both", "manifest.jsonl")
    while not manifest.exists() or manifest.stat().st_size == 0:
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    second = run(*line("both"))
    share = run(*line("both", "--shard", "1/2"))
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    for other in (second, share):
        assert other.returncode == 1 and "another process is at work on it" in other.stderr, other.stderr
    assert outputs("both") == outputs("whole")


def start_slow(folder, *more):
    """A run that has only slow.png in hand."""
    process = subprocess.Popen(
        [diffcut, "segment", "slow.png", "quick", "--refine-size", "0", "--iterations", "1000", "-T", "1", "--resume", "-q",
         "-o", folder, *more], stderr=subprocess.PIPE, text=True)
    manifest = pathlib.Path(folder, "manifest.jsonl")
    while not manifest.exists() or '"name": "slow"' not in manifest.read_text():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    time.sleep(0.5)  # decoded, and being computed
    return process


def test_crash():
    """A photo that crashes the process is left out and reported; the others are done."""
    process = start_slow("crash")
    process.send_signal(signal.SIGSEGV)
    process.communicate()
    assert process.returncode != 0
    rest = [diffcut, "segment", "slow.png", "quick", "--refine-size", "0", "--iterations", "1000", "-T", "1", "--resume",
            "-o", "crash"]
    after = run(*rest)
    assert after.returncode == 1, after
    assert "slow.png: failed before: the process crashed at this photo (--retry-failed tries again)" in after.stderr
    assert last_lines("crash/manifest.jsonl")["quick/quick"]["status"] == "done"


def test_killed_in_hand():
    """One that has the process killed comes last and alone; at the third death it is left out, until asked for."""
    process = start_slow("hand")
    for alone in (1, 2, 3):
        process.kill()
        process.communicate()
        process = start_slow("hand")
        while last_lines("hand/manifest.jsonl")["slow"]["alone"] != alone:
            time.sleep(0.005)
        assert last_lines("hand/manifest.jsonl")["quick/quick"]["status"] == "done", "it does not come last"
    process.kill()
    process.communicate()
    line = [diffcut, "segment", "slow.png", "quick", "--refine-size", "0", "--iterations", "1000", "--resume", "-o", "hand"]
    after = run(*line)
    assert after.returncode == 1 and "3 processes were killed while they had only this photo in hand" in after.stderr, after
    process = start_slow("hand", "--retry-failed")
    process.terminate()
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    line = last_lines("hand/manifest.jsonl")["slow"]
    assert line["status"] == "failed" and line["again"], line  # an orderly end leaves no suspicion


def test_full_disk():
    """A disk that is full ends the run with what is done recorded; with room again it goes on."""
    os.mkdir("disk")
    mounted = run("mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", "disk")
    if mounted.returncode != 0:
        print("no file system of its own for the full disk: not tested here")
        return
    try:
        full = run(*line("disk/out"))
        assert full.returncode == 1 and "the remaining photos were left out" in full.stderr, full.stderr
        lines = last_lines("disk/out/manifest.jsonl")
        done = [entry for entry in lines.values() if entry["status"] == "done"]
        assert done, lines
        for entry in done:
            for output in entry["outputs"]:
                data = pathlib.Path("disk/out", output["file"]).read_bytes()
                assert hashlib.sha256(data).hexdigest() == output["sha256"], output
        subprocess.run(["mount", "-o", "remount,size=16m", "disk"], check=True)
        again = run(*line("disk/out", "--json"))
        assert again.returncode == 0, again.stderr
        assert again.stdout.count('"skipped"') >= len(done), again.stdout
        assert outputs("disk/out") == outputs("whole")
    finally:
        subprocess.run(["umount", "disk"], check=True)


def main():
    random.seed(7)
    os.mkdir("photos")
    for i in range(PHOTOS):
        photos.png(f"photos/p{i}.png", 64 + i % 5, 48, photos.scene(7 * i % 256))
    photos.png("slow.png", 1600, 1200, lambda x, y: (x % 256, y % 256, 90))
    os.mkdir("quick")
    photos.png("quick/quick.png", 32, 32, photos.scene(9))
    test_kills()
    test_kills_with_shards()
    if len(sys.argv) == 1:
        test_lock()
        test_crash()
        test_killed_in_hand()
        test_full_disk()
    print(f"{KILLS} kills each, {PHOTOS} photos")


with tempfile.TemporaryDirectory(prefix="diffcut-batch.") as work:
    os.chdir(work)
    main()
