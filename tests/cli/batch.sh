#!/usr/bin/env bash
# Photos that are read ahead, computed together and written behind give what each gives alone, in the same order.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
quick=(--size 64 --iterations 2 --tau 0.4,0.7 --npy --coco --features-npy)
mkdir mixed
for i in 1 2 3 4 5; do
    cp small.png "mixed/a$i.png"
    cp other.png "mixed/b$i.png"
done
cp text.jpg mixed/a3x.jpg
cp truncated.png mixed/b2x.png
cp thin.png one.png constant.png mixed

# Everything but the seconds, which differ from run to run.
lines() {
    sed -E 's/, "seconds": \{[^}]*\}//; s,alone/|all/|four/|many/,DIR/,g' "$kept/out"
}

# One process a photo: nothing overlaps.
shown='one by one'
: >one-by-one
: >one-by-one.errors
for photo in mixed/*; do
    run "$photo" "${quick[@]}" -o alone --json
    lines >>one-by-one
    cat "$kept/err" >>one-by-one.errors
done

same_as_alone() { # same_as_alone FOLDER: of the run before
    local file
    exits 1
    check
    lines | diff one-by-one - >"$kept/diff" || fail "lines (< alone): $(cat "$kept/diff")"
    check
    grep -v 'photos failed$' "$kept/err" | diff one-by-one.errors - >"$kept/diff" ||
        fail "errors (< alone): $(cat "$kept/diff")"
    check
    diff <(cd alone && find . -type f | sort) <(cd "$1" && find . -type f | sort) >"$kept/diff" ||
        fail "files (< alone): $(cat "$kept/diff")"
    for file in alone/*; do
        case $file in
            *.coco.json) same "$file" "$1/${file#*/}" ;;
            *.json)
                check
                diff <(grep -v seconds "$file") <(grep -v seconds "$1/${file#*/}") >"$kept/diff" ||
                    fail "$file: $(cat "$kept/diff")"
                ;;
            *) same "$file" "$1/${file#*/}" ;;
        esac
    done
}

run mixed/* "${quick[@]}" -o all --json
same_as_alone all
run mixed "${quick[@]}" -o four --json --batch 4
same_as_alone four
printf '%s\n' mixed/* | sed 's,^,./,' >names
run mixed/* "${quick[@]}" -o many --json --batch 64 -T 1
same_as_alone many

# A second run skips what is there, a photo that lacks a result is done again, in the photos' order.
rm four/b1.tau0.7.png
run mixed "${quick[@]}" -o four --json --batch 4
exits 1
python '
found = [json.loads(line) for line in out.splitlines()]
assert [os.path.basename(f["photo"]) for f in found] == sorted(os.listdir("mixed")), found
done = [f["photo"] for f in found if f["status"] == "segmented"]
assert done == ["mixed/b1.png"], done'
same four/b1.tau0.7.png alone/b1.tau0.7.png

# Photo by photo with a dump, whatever the batch.
run mixed/a1.png mixed/a2.png "${quick[@]}" -o dumped --batch 4 --dump stages
exits 0
there stages/a1/features.npy stages/a2/features.npy stages/a2/refined.tau0.7.npy

# Two photos of one name: the second is told so, though the first may not be written yet.
cp mixed/b1.png small.webp
run small.png small.webp --size 64 --iterations 1 -o same --batch 2
exits 1
mentions 'another photo of this run writes same/small.png'
there same/small.png

# A folder that nothing can be written to ends the run at the first photo.
mkdir full
if [ "$(id -u)" -ne 0 ]; then
    chmod a-w full
    run mixed/a1.png mixed/a2.png mixed/a3.png --size 64 --iterations 1 -o full
    exits 1
    mentions 'cannot be written to any more; the remaining photos were left out'
    tree full
fi

# Names from a pipe are taken as they come; the run ends when its reader is gone, not when the pipe does.
shown='diffcut --files-from - --json | head -1'
mkfifo pipe
"$DIFFCUT" --files-from - --size 64 --iterations 1 -o piped --json <pipe 2>"$kept/err" | head -1 >"$kept/out" &
exec 7>pipe
printf '%s\n' mixed/a1.png >&7
for _ in $(seq 600); do
    [ ! -s "$kept/out" ] || break
    sleep 0.1
done
check
grep -q '"photo": "mixed/a1.png", "status": "segmented"' "$kept/out" || fail "no line for the first name: $(cat "$kept/out" "$kept/err")"
printf '%s\n' mixed/a2.png >&7
wait # the command too, while the pipe is still open
exec 7>&-
mentions 'standard output: Broken pipe'

run "${quick[@]}" --batch 0 small.png
is_usage_error "diffcut segment: --batch: 0 is outside 1 .. 64"
run "${quick[@]}" --batch 65 small.png
is_usage_error "diffcut segment: --batch: 65 is outside 1 .. 64"
