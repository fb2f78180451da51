#!/usr/bin/env python3
"""shards.py - photos from tar archives and results to WebDataset shards: what goes in comes out, and an archive that is not
what it says is refused by name."""
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

diffcut = os.environ["DIFFCUT"]
here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))
import photos  # noqa: E402

QUICK = ["--size", "64", "--iterations", "2", "-q"]


def run(*words, **more):
    words = [diffcut, "segment", *words, *QUICK]
    done = subprocess.run(words, capture_output=True, check=False, **more)
    return done.returncode, done.stderr.decode("utf-8", "backslashreplace")


def add(archive, name, data, **fields):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in fields.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(data))


def samples(folder):
    """WebDataset's own rule: the key is all up to the first dot after the last slash; files of a key lie together."""
    found = {}
    last = None
    for path in sorted(pathlib.Path(folder).glob("*.tar")):
        with tarfile.open(path, "r|") as archive:
            for member in archive:
                assert member.isreg()
                key, extension = re.fullmatch(r"((?:.*/|)[^.]+)[.]([^/]*)", member.name, re.DOTALL).groups()
                assert key == last or key not in found, f"{key} is in two places"
                last = key
                found.setdefault(key, {})[extension] = archive.extractfile(member).read()
    return found


LONG = "d" * 90 + "/" + "n" * 120 + ".png"
NAMES = ["a.png", "b.c.png", "dir.x/d.png", LONG, "new\nline.png", "100%.png", "ü.png"]


def make_archives():
    """The same photos in each form that Python writes, and as files."""
    data = {}
    for i, name in enumerate(NAMES):
        os.makedirs(os.path.dirname("files/" + name), exist_ok=True)
        photos.png("files/" + name, 48 + i, 40, photos.scene(30 * i))
        data[name] = pathlib.Path("files/" + name).read_bytes()
    for form in ("USTAR", "GNU", "PAX"):
        with tarfile.open(f"{form}.tar", "w", format=getattr(tarfile, form + "_FORMAT"), pax_headers={"comment": "x"}) as out:
            add(out, "files", b"", type=tarfile.DIRTYPE)
            for name in NAMES:
                if form != "USTAR" or len(name) < 100:
                    add(out, name, data[name])
                    add(out, os.path.splitext(name)[0][:80] + ".json", b"{}" * 400)
    return data


def test_in():
    assert run("files", "-o", "from-files", "--outputs", "labels") == (0, "")
    for form in ("USTAR", "GNU", "PAX"):
        assert run(f"{form}.tar", "-o", form, "--outputs", "labels") == (0, ""), form
        names = [name for name in NAMES if form != "USTAR" or len(name) < 100]
        found = sorted(str(p.relative_to(form)) for p in pathlib.Path(form).rglob("*") if p.is_file())
        assert found == sorted(names), (form, found)
        for name in names:
            assert pathlib.Path(form, name).read_bytes() == pathlib.Path("from-files", name).read_bytes(), (form, name)
    # From a pipe; several archives each have a folder; a list may name them.
    with open("PAX.tar", "rb") as file:
        assert run("-", "--in-shards", "-o", "piped", "--outputs", "labels", stdin=file) == (0, "")
    assert pathlib.Path("piped", LONG).read_bytes() == pathlib.Path("PAX", LONG).read_bytes()
    assert run("PAX.tar", "GNU.tar", "-o", "two", "--outputs", "labels") == (0, "")
    assert pathlib.Path("two/PAX/a.png").exists() and pathlib.Path("two/GNU/dir.x/d.png").exists()
    pathlib.Path("list").write_text("PAX.tar\n")
    assert run("--files-from", "list", "-o", "listed", "--outputs", "labels") == (0, "")
    assert pathlib.Path("listed/PAX/a.png").exists()
    # By content: a second run knows an archive's photos whatever time it gives them.
    assert run("PAX.tar", "-o", "again", "--resume") == (0, "")
    done = subprocess.run([diffcut, "segment", "GNU.tar", "-o", "again", "--resume", "--json", *QUICK], capture_output=True,
                          text=True, check=False)
    assert done.stdout.count('"skipped"') == len(NAMES), done


def test_out():
    line = ["files", "--out-shards", "out-%03d.tar", "--shard-count", "3", "-o", "shards"]
    assert run(*line) == (0, "")
    assert sorted(os.listdir("shards")) == ["manifest.jsonl", "out-000.tar", "out-001.tar", "out-002.tar"]
    found = samples("shards")
    keys = {"a": "a.png", "b%2Ec": "b.c.png", "dir.x/d": "dir.x/d.png", LONG[:-4]: LONG, "new%0Aline": "new\nline.png",
            "100%25": "100%.png", "ü": "ü.png"}
    assert set(found) == set(keys), set(found)
    for key, name in keys.items():
        assert set(found[key]) == {"png", "json"}
        assert found[key]["png"] == pathlib.Path("from-files", name).read_bytes(), name
        assert json.loads(found[key]["json"])["photo"] == "files/" + name
    before = {p: pathlib.Path("shards", p).read_bytes() for p in os.listdir("shards") if p.endswith(".tar")}
    assert run(*line) == (0, "")  # nothing to do
    assert before == {p: pathlib.Path("shards", p).read_bytes() for p in os.listdir("shards") if p.endswith(".tar")}
    os.remove("shards/out-001.tar")
    assert run(*line) == (0, "")  # only what was in it
    assert before["out-000.tar"] == pathlib.Path("shards/out-000.tar").read_bytes()
    assert set(samples("shards")) == set(keys)
    # By size; more kinds and taus; shards of one are photos of another.
    assert run("files", "--out-shards", "s%d.tar", "--shard-size", "20000", "-o", "small", "--outputs", "labels,coco", "--tau",
               "0.2,0.6") == (0, "")
    sizes = [p.stat().st_size for p in pathlib.Path("small").glob("*.tar")]
    assert len(sizes) > 1 and max(sizes) <= 20000 + 1024, sizes
    assert set(samples("small")["a"]) == {"tau0.2.png", "tau0.6.png", "tau0.2.coco.json", "tau0.6.coco.json"}
    # What is there and not of this manifest stays; other settings do not mix in.
    os.mkdir("taken")
    pathlib.Path("taken/out-000.tar").write_bytes(b"mine")
    status, errors = run("files/a.png", "--out-shards", "out-%03d.tar", "-o", "taken")
    assert status == 1 and "taken/out-000.tar: exists already, and is not of this manifest" in errors, errors
    assert pathlib.Path("taken/out-000.tar").read_bytes() == b"mine"
    status, errors = run(*line, "--tau", "0.9")
    assert status == 1 and "these shards were made with other settings" in errors, errors
    for pattern in ("out.tar", "%06d.zip", "a/%d.tar", "%s.tar", "%d%d.tar", "%-3d.tar", ".%d.tar"):
        assert run("files", "--out-shards", pattern)[0] == 2, pattern
    assert run("files", "--shard-size", "5")[0] == 2
    assert run("files", "--out-shards", "%d.tar", "--force")[0] == 2


def header(name, size=b"00000000000", kind=b"0", magic=b"ustar\x0000", fix=True):
    block = bytearray(512)
    block[:len(name)] = name
    block[124:124 + len(size)] = size
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:257 + len(magic)] = magic
    if fix:
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(1024)


def pax(records):
    return header(b"p", b"%011o" % len(records), b"x") + records + bytes(-len(records) % 512)


def test_bad():
    png = pathlib.Path("files/a.png").read_bytes()
    photo = header(b"a.png", b"%011o" % len(png)) + png + bytes(-len(png) % 512)
    cases = {
        "empty": (b"", "the archive is empty"),
        "no-archive": (b"This is no archive." * 100, "not a tar archive"),
        "cut-header": (photo[:300], "the archive ends without its closing blocks"),
        "cut-data": (photo[:700], "the archive ends within a member"),
        "no-end": (photo, "the archive ends without its closing blocks"),
        "one-zero": (photo + bytes(512) + photo + END, "a single block of zeros"),
        "sum": (photo + header(b"b.png", fix=False) + END, "a header's checksum is wrong"),
        "size": (header(b"a.png", b"12x45678901") + END, "a header's size is no number"),
        "huge": (header(b"a.png", b"\x80" + b"\0" * 3 + b"\xff" * 8) + END, "a header's size is no number"),
        "nameless": (header(b"") + END, "a member without a name"),
        "sparse": (header(b"a.png", kind=b"S") + END, "sparse files are not read"),
        "pax-sparse": (pax(b"22 GNU.sparse.major=1\n") + photo + END, "sparse files are not read"),
        "pax-broken": (pax(b"99 path=x\n") + photo + END, "a broken extended header"),
        "pax-nul": (pax(b"13 path=a\0b\n") + photo + END, "a broken extended header"),
        "pax-size": (pax(b"11 size=-5\n") + photo + END, "an extended header's size is no number"),
        "pax-large": (header(b"p", b"77777777777", b"x") + END, "an extended header is too large"),
        "volumes": (header(b"a.png", kind=b"M") + END, "archives of several volumes are not read"),
        "unknown": (header(b"a.png", kind=b"N") + END, "a member of unknown kind"),
        "link-data": (header(b"a.png", b"00000000010", b"1") + END, "a hard link with data"),
        "link": (header(b"a.png", kind=b"2") + END, "a.png: is no plain file in the archive"),
        "device": (header(b"a.png", kind=b"3") + END, "a.png: is no plain file in the archive"),
        "dots": (header(b"../..") + header(b"../../.png") + END, None),
        "claims": (header(b"a.png", b"\x80" + b"\0" * 5 + b"\x40" + b"\0" * 5) + END, "more than 1073741824 bytes"),
        "twice": (photo + photo + END, "another photo of this run writes"),
    }
    for name, (data, message) in cases.items():
        pathlib.Path("bad.tar").write_bytes(data)
        status, errors = run("bad.tar", "-o", "bad-" + name)
        assert status == 1, (name, errors)
        assert message is None or message in errors, (name, errors)
        assert "bad.tar" in errors or message is None, (name, errors)
    # What comes before the fault is done; no member leaves the folder.
    assert pathlib.Path("bad-sum/a.png").exists() and pathlib.Path("bad-twice/a.png").exists()
    escape = header(b"../../../escape.png", b"%011o" % len(png)) + png + bytes(-len(png) % 512)
    pathlib.Path("bad.tar").write_bytes(escape + END)
    assert run("bad.tar", "-o", "bad-escape") == (0, "")
    assert sorted(os.listdir("bad-escape")) == ["escape.json", "escape.overlay.png", "escape.png"]
    old = header(b"old.png", b"%11o " % len(png), b"\0", b"") + png + bytes(-len(png) % 512)
    pathlib.Path("old.tar").write_bytes(old + END)
    assert run("old.tar", "-o", "old") == (0, "")
    assert run("none.tar", "-o", "none") == (1, "diffcut: none.tar: No such file or directory\n")


with tempfile.TemporaryDirectory(prefix="diffcut-shards.") as work:
    os.chdir(work)
    make_archives()
    test_in()
    test_out()
    test_bad()
