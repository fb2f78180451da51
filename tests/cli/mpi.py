#!/usr/bin/env python3
"""mpi.py - several MPI processes at one list do what one does; one that is killed costs nothing but its photos' second try."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

diffcut = os.environ["DIFFCUT"]
program = os.environ.get("DIFFCUT_MPI", "")
here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))
import photos  # noqa: E402

if not program or not os.path.exists(program) or shutil.which("mpirun") is None:
    print("skipped: diffcut-mpi is not built, or there is no mpirun")
    sys.exit(77)

# Root may run it in a container; several processes a processor; MPI's own leaks are not ours to report.
os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1",
                  OMPI_MCA_btl_vader_single_copy_mechanism="none", OMPI_MCA_plm_rsh_agent="false",
                  ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
PHOTOS = 30
QUICK = ["--size", "64", "--iterations", "2"]


def line(processes, *words):
    return ["mpirun", "-n", str(processes), program, "segment", *words, *QUICK]


def run(processes, *words):
    return subprocess.run(line(processes, *words), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def outputs(folder):
    found = {}
    for path in pathlib.Path(folder).rglob("*"):
        assert not path.name.startswith("."), f"left behind: {path}"
        if path.is_file() and path.suffix != ".jsonl":
            found[str(path.relative_to(folder))] = path.read_bytes() if path.suffix != ".json" else b""
    return found


def lines(folder):
    last = {}
    for text in pathlib.Path(folder, "manifest.jsonl").read_text().splitlines():
        entry = json.loads(text)
        if "id" in entry:
            last[entry["name"]] = entry
    return last


def test_same_as_one():
    done = run(3, "photos", "-o", "three")
    assert done.returncode == 0, done.stderr
    assert outputs("three") == outputs("one")
    assert os.listdir("three").count("manifest.jsonl") == 1 and not list(pathlib.Path("three").glob("*rank*"))
    assert len(lines("three")) == PHOTOS and {e["status"] for e in lines("three").values()} == {"done"}
    # A second run, of any number, has nothing to do; nor has one process.
    before = pathlib.Path("three/manifest.jsonl").read_bytes()
    done = run(2, "photos", "-o", "three", "-v")
    assert done.returncode == 0 and f"0 segmented, {PHOTOS} skipped" in done.stderr, done.stderr
    assert pathlib.Path("three/manifest.jsonl").read_bytes() == before
    os.remove("three/p3.png")
    done = run(2, "photos", "-o", "three", "-v")
    assert done.returncode == 0 and f"1 segmented, {PHOTOS - 1} skipped" in done.stderr, done.stderr


def test_failures():
    """Failed photos and names that clash are told as by one process."""
    pathlib.Path("text.jpg").write_text("no photo")
    os.mkdir("other")
    shutil.copy("photos/p1.png", "other/p0.png")
    done = run(3, "photos/p0.png", "other/p0.png", "text.jpg", "missing.jpg", "-o", "failing")
    assert done.returncode == 1
    for message in ("other/p0.png: another photo of this run writes failing/p0.png", "text.jpg: not a JPEG, PNG or WebP image",
                    "missing.jpg: cannot open", "3 of 4 photos failed"):
        assert message in done.stderr, done.stderr
    assert outputs("failing")["p0.png"] == outputs("one")["p0.png"]
    for words in (["-", "-o", "x"], ["photos", "--json"], ["photos", "--shard", "1/2"], []):
        done = run(2, *words)
        assert done.returncode == 2, (words, done)
    done = run(2, "photos", "-o", "text.jpg")
    assert done.returncode == 1 and "cannot make this folder" in done.stderr, done.stderr
    first = subprocess.Popen([diffcut, "segment", "photos", *QUICK, "--resume", "-q", "-o", "locked"])
    while not os.path.exists("locked/manifest.jsonl") or os.path.getsize("locked/manifest.jsonl") == 0:
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    done = run(2, "photos", "-o", "locked")
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert done.returncode == 1 and "another process is at work on it" in done.stderr, done.stderr


def test_shards():
    """Photos in archives go to tar shards, whose numbers the processes share."""
    with tarfile.open("in-0.tar", "w") as first, tarfile.open("in-1.tar", "w") as second:
        for i in range(12):
            (first if i % 2 else second).add(f"photos/p{i}.png", arcname=f"p{i}.png")
    done = run(2, "in-0.tar", "in-1.tar", "-o", "shards", "--out-shards", "out-%03d.tar", "--shard-count", "4")
    assert done.returncode == 0, done.stderr
    found = {}
    for path in pathlib.Path("shards").glob("*.tar"):
        with tarfile.open(path) as archive:
            for member in archive:
                assert member.name not in found
                found[member.name] = archive.extractfile(member).read()
    assert len(found) == 24, sorted(found)
    for i in range(12):
        name = f"in-{0 if i % 2 else 1}/p{i}.png"
        assert found[name] == pathlib.Path(f"one/p{i}.png").read_bytes(), name


def ranks(mpirun):
    """The processes of a job: children of mpirun."""
    found = subprocess.run(["ps", "--ppid", str(mpirun), "-o", "pid=,args="], capture_output=True, text=True, check=False)
    return [int(row.split()[0]) for row in found.stdout.splitlines() if "segment" in row]


def test_killed():
    """A process that is killed takes the job down, and nothing else: the next run finishes."""
    job = subprocess.Popen(line(3, "photos", "-o", "killed"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stdin=subprocess.DEVNULL)
    stop = time.monotonic() + 60
    while len(list(pathlib.Path("killed").glob("*.png"))) < 4 and job.poll() is None and time.monotonic() < stop:
        time.sleep(0.005)
    victims = ranks(job.pid)
    if job.poll() is None and victims:
        os.kill(victims[-1], signal.SIGKILL)
        assert job.wait(timeout=120) != 0
        assert list(pathlib.Path("killed").glob("manifest.rank-*.jsonl")), os.listdir("killed")
    done = run(2, "photos", "-o", "killed")
    assert done.returncode == 0, done.stderr
    assert outputs("killed") == outputs("one")
    assert not list(pathlib.Path("killed").glob("manifest.rank-*.jsonl"))
    # Parts that a job left are as good for one process alone.
    assert len(lines("killed")) == PHOTOS and {e["status"] for e in lines("killed").values()} == {"done"}


with tempfile.TemporaryDirectory(prefix="diffcut-mpi.") as work:
    os.chdir(work)
    os.mkdir("photos")
    for i in range(PHOTOS):
        photos.png(f"photos/p{i}.png", 64 + i % 5, 48, photos.scene(7 * i % 256))
    subprocess.run([diffcut, "segment", "photos", *QUICK, "-q", "-o", "one"], check=True)
    probe = subprocess.run(["mpirun", "-n", "2", program, "--help"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        print("skipped: mpirun does not start processes here:", probe.stderr[-300:])
        sys.exit(77)
    test_same_as_one()
    test_failures()
    test_shards()
    test_killed()
