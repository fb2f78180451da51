#!/usr/bin/env bash
# With --resume a second run does what is missing or changed and nothing else, whatever became of photos, results,
# settings or the record itself.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
quick=(--size 64 --iterations 2 --resume --json)

status_of() { # status_of STATUS...: of the last run's --json lines
    python '
found = [json.loads(line)["status"] for line in out.splitlines()]
assert found == sys.argv[1:], found' "$@"
}

run small.png other.png text.jpg "${quick[@]}" -o out
exits 1
status_of segmented segmented failed
tree out manifest.jsonl other.json other.overlay.png other.png small.json small.overlay.png small.png
python '
import hashlib
lines = [json.loads(line) for line in open("out/manifest.jsonl")]
done = {line["name"]: line for line in lines if line.get("status") == "done"}
assert set(done) == {"small", "other"}, done
line = done["small"]
photo = open("small.png", "rb").read()
assert line["photo"] == "small.png" and line["bytes"] == len(photo) and line["sha256"] == hashlib.sha256(photo).hexdigest()
info = os.stat("small.png")
assert line["modified"] == "%d.%09d" % divmod(info.st_mtime_ns, 10**9), line["modified"]
assert [o["kind"] for o in line["outputs"]] == ["labels", "overlay", "json"], line["outputs"]
for output in line["outputs"]:
    data = open("out/" + output["file"], "rb").read()
    assert output["bytes"] == len(data) and output["sha256"] == hashlib.sha256(data).hexdigest(), output
assert set(line["seconds"]) >= {"decode", "features", "write", "total"}
settings = [l for l in lines if "settings" in l and "id" not in l]
assert [s["settings"] for s in settings] == [line["settings"]], settings
assert settings[0]["taus"] == [0.4] and settings[0]["model"]["name"] == "diffcut-tiny" and len(settings[0]["fingerprint"]) == 64
failed = [l for l in lines if l.get("status") == "failed"]
assert [l["error"] for l in failed] == ["text.jpg: not a JPEG, PNG or WebP image"] and not failed[0]["again"], failed'

# Nothing has changed: nothing is done, and what failed for the photo's own sake is told without trying again.
run small.png other.png text.jpg "${quick[@]}" -o out
exits 1
status_of skipped skipped failed
mentions 'text.jpg: failed before: text.jpg: not a JPEG, PNG or WebP image (--retry-failed tries again)'
run text.jpg "${quick[@]}" -o out --retry-failed
is_failure='diffcut: text.jpg: not a JPEG, PNG or WebP image'
exits 1
complains "$is_failure" with-output
# A failed photo that was mended is done without being asked for.
cp other.png text.jpg
run text.jpg "${quick[@]}" -o out
exits 0
status_of segmented

# Another time, the same content: looked into once, then known by its time.
touch -d '2001-01-01' small.png
run small.png "${quick[@]}" -o out
status_of skipped
check
grep -q '"modified": "978307200.000000000"' out/manifest.jsonl || fail 'the new time is not recorded'

# Other content, of another size or of the same size and time.
cp -p small.png before.png
cp other.png small.png
run small.png "${quick[@]}" -o out
status_of segmented
cp -p before.png small.png
run small.png "${quick[@]}" -o out
status_of segmented
python '
data = bytearray(open("small.png", "rb").read())
data[-3] ^= 1
open("small.png", "wb").write(data)
os.utime("small.png", ns=(0, os.stat("before.png").st_mtime_ns))'
run small.png "${quick[@]}" -o out
status_of skipped
run small.png "${quick[@]}" -o out --checksum
exits 1
mentions 'corrupt PNG'
cp -p before.png small.png
run small.png "${quick[@]}" -o out --checksum
status_of segmented

# Results that are gone, cut short, or (with --checksum) altered.
run small.png other.png "${quick[@]}" -o fresh
rm out/small.overlay.png
printf x >out/other.png
run small.png other.png "${quick[@]}" -o out
status_of segmented segmented
same out/other.png fresh/other.png
same out/small.overlay.png fresh/small.overlay.png
python '
data = bytearray(open("out/small.png", "rb").read())
data[-20] ^= 1
open("out/small.png", "wb").write(data)'
run small.png "${quick[@]}" -o out
status_of skipped
run small.png "${quick[@]}" -o out --checksum
status_of segmented
same out/small.png fresh/small.png

# Other settings, more kinds of results, --force.
run small.png "${quick[@]}" -o out --tau 0.7
status_of segmented
differ out/small.png fresh/small.png
run small.png "${quick[@]}" -o out --tau 0.7
status_of skipped
run small.png "${quick[@]}" -o out --tau 0.7 --coco
status_of segmented
run small.png "${quick[@]}" -o out --tau 0.7
status_of skipped
run small.png "${quick[@]}" -o out --tau 0.7 --force
status_of segmented
# What the record does not know is made again, though it exists.
run small.png --size 64 --iterations 2 -o plain
printf 'not a label map' >plain/small.png
run small.png "${quick[@]}" -o plain
status_of segmented
same plain/small.png fresh/small.png

# A name that is taken: in one run, and by a photo of an earlier one.
mkdir sub
cp other.png sub/small.png
run small.png sub/small.png "${quick[@]}" -o twice
exits 1
mentions 'another photo of this run writes twice/small.png'
run sub/small.png "${quick[@]}" -o twice
exits 1
mentions 'the results of this name are those of another photo, small.png (--force replaces them)'
cp -p small.png sub/small.png # the same photo elsewhere is the same photo
run sub/small.png "${quick[@]}" -o twice
status_of skipped

# Names of any bytes come back from the record as they were.
newline=$'a\nb.png'
latin=$'caf\xe9.png'
cp small.png "$newline"
cp small.png "$latin"
run "$newline" "$latin" "${quick[@]}" -o names
exits 0
run "$newline" "$latin" "${quick[@]}" -o names
status_of skipped skipped
python '
names = set()
for line in open("names/manifest.jsonl"):
    line = json.loads(line)
    if line.get("status") == "done":
        names.add(bytes.fromhex(line["photo_hex"]) if "photo_hex" in line else line["photo"].encode())
        for output in line["outputs"]:
            file = bytes.fromhex(output["file_hex"]) if "file_hex" in output else output["file"].encode()
            assert os.path.getsize(b"names/" + file) == output["bytes"], file
assert names == {b"a\nb.png", b"caf\xe9.png"}, names'

# A photo that vanished fails alone and is looked for again.
cp small.png going.png
run going.png "${quick[@]}" -o out
rm going.png
run going.png small.png "${quick[@]}" -o out
exits 1
mentions 'going.png: cannot open: No such file or directory'
cp other.png going.png
run going.png "${quick[@]}" -o out
status_of segmented

# A record that a crash cut short loses its last line only; one that is none of ours is not touched.
cp out/manifest.jsonl whole
python 'os.truncate("out/manifest.jsonl", os.path.getsize("out/manifest.jsonl") - 30)'
run going.png small.png "${quick[@]}" --tau 0.4 -o out
exits 0
status_of skipped segmented # small.png, whose line is whole, and then, last, the photo that seems to have been in hand
run going.png small.png "${quick[@]}" -o out
status_of skipped skipped
python '
for line in open("out/manifest.jsonl"):
    json.loads(line)'
printf 'a list of mine' >notes.txt
run small.png "${quick[@]}" -o out --manifest notes.txt
is_failure 'diffcut: notes.txt: not a manifest of diffcut'
check
[ "$(cat notes.txt)" = 'a list of mine' ] || fail 'the file was changed'

# The record elsewhere; a folder that is not there.
run small.png --size 64 --iterations 2 -o out2 --manifest record.jsonl
exits 0
there record.jsonl
absent out2/manifest.jsonl
run small.png --size 64 -o out2 --manifest none/record.jsonl
is_failure 'diffcut: none/record.jsonl: No such file or directory'

# A disk with no room for the record: the run stops, and goes on when there is some.
if [ -w /dev/full ]; then
    run small.png other.png --size 64 --iterations 1 -o full --manifest /dev/full
    exits 1
    absent full/small.png full/other.png
fi
shown='diffcut, no file over 1 KiB'
(
    ulimit -f 1
    "$DIFFCUT" small.png other.png --size 64 --iterations 2 --resume --outputs labels -o limited >"$kept/out" 2>"$kept/err"
)
status=$?
exits 1
mentions 'the remaining photos were left out'
run small.png other.png "${quick[@]}" --outputs labels -o limited
exits 0
same limited/small.png fresh/small.png
same limited/other.png fresh/other.png

# Shares of a list: each photo is done by one, and together they are the whole; their records become one.
mkdir many
for i in 1 2 3 4 5 6 7 8 9; do
    cp small.png many/p$i.png
done
for i in 1 2 3; do
    run many "${quick[@]}" -o shared --shard $i/3
    exits 0
    cat "$kept/out" >>lines
done
cp lines "$kept/out"
python '
photos = sorted(json.loads(line)["photo"] for line in out.splitlines())
assert photos == ["many/p%d.png" % i for i in range(1, 10)], photos'
there shared/manifest.shard-1-of-3.jsonl shared/manifest.shard-2-of-3.jsonl shared/manifest.shard-3-of-3.jsonl
run many "${quick[@]}" -o shared
exits 0
python 'assert [json.loads(line)["status"] for line in out.splitlines()] == ["skipped"] * 9'
absent shared/manifest.shard-1-of-3.jsonl shared/manifest.shard-3-of-3.jsonl
run many "${quick[@]}" -o shared --shard 2/3
exits 0
python 'assert {json.loads(line)["status"] for line in out.splitlines()} <= {"skipped"}, out'

# Lines that make no sense.
for share in 0/3 4/3 1 /3 1/ a/b 1/0; do
    run small.png --shard $share
    exits 2
done
run small.png --retry-failed
is_usage_error 'diffcut segment: --retry-failed needs --resume'
run small.png --checksum
is_usage_error 'diffcut segment: --checksum needs --resume'
