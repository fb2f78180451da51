#!/usr/bin/env bash
# Folders, lists and names: every photo is found, each result has one place, and none overwrites another's.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
quick=(--size 32 --iterations 0 --outputs labels)

mkdir -p album/day/night album/.hidden empty
cp small.png album/a.png
cp other.png album/day/a.PNG
cp small.png album/day/night/b.png
cp small.png album/.hidden/c.png
cp small.png album/.d.png
cp text.jpg album/notes.txt
ln -s ../../small.png album/day/link.png
ln -s .. album/day/loop
ln -s nowhere.png album/day/dangling.txt

# One folder: its photos keep their folders below it.
run album "${quick[@]}" -o one
exits 0
says_nothing
tree one a.png day/a.png day/link.png day/night/b.png
run segment album/ "${quick[@]}" -o slash
tree slash a.png day/a.png day/link.png day/night/b.png

# Several arguments: each folder's go into a folder of its name; a file keeps its own.
run album album/day ./other.png "${quick[@]}" -o many
exits 0
tree many album/a.png album/day/a.png album/day/link.png album/day/night/b.png day/a.png day/link.png day/night/b.png \
    other.png

# Equal names from different folders: the second is told, nothing is overwritten, the rest go on.
mkdir -p x y
cp small.png x/same.png
cp other.png y/same.png
run x/same.png y/same.png other.png "${quick[@]}" -o clash
exits 1
complains 'diffcut: y/same.png: another photo of this run writes clash/same.png (--full-names keeps extensions apart)
diffcut: 1 of 3 photos failed'
tree clash other.png same.png
run x/same.png "${quick[@]}" -o alone
same alone/same.png clash/same.png
# Also with --force, and for names that differ in the extension only.
cp small.png x/same.webp
run x --force "${quick[@]}" -o clash
exits 1
mentions 'diffcut: x/same.webp: another photo of this run writes clash/same.png'
run x "${quick[@]}" -o full --full-names
exits 0
tree full same.png.png same.webp.png

# The output folder is not taken for photos, nor is what it holds.
mkdir -p inside
cp small.png inside/p.png
(cd inside && "$DIFFCUT" . "${quick[@]}" && "$DIFFCUT" . "${quick[@]}" --json) >"$kept/out" 2>"$kept/err"
status=$?
shown='diffcut . twice'
exits 0
tree inside p.png diffcut-out/p.png
check
[ "$(wc -l <"$kept/out")" -eq 1 ] || fail "expected one line: $(cat "$kept/out")"

# Lists: names keep their folders, empty lines are nothing, folders are walked.
printf '%s\n' ./x/same.png '' ../in/y/same.png album/day "$PWD/other.png" >list
run --files-from list "${quick[@]}" -o list-out
exits 0
tree list-out "${PWD#/}/other.png" album/day/a.png album/day/link.png album/day/night/b.png in/y/same.png x/same.png
run_stdin list --files-from - "${quick[@]}" -o list-in
exits 0
there list-in/x/same.png
# Lines of a list from Windows end with CR LF; with -0 a name may end with CR.
printf '%s\r\n' ./x/same.png '' album/day >list-crlf
printf 'other.png\r' >>list-crlf
run --files-from list-crlf "${quick[@]}" -o crlf
exits 0
says_nothing
tree crlf album/day/a.png album/day/link.png album/day/night/b.png other.png x/same.png
cp small.png $'cr.png\r'
printf 'cr.png\r\0' >list-cr0
run --files-from list-cr0 -0 "${quick[@]}" -o cr0
exits 0
tree cr0 $'cr.png\r.png'
# NUL-separated names may hold newlines.
cp small.png $'x/new\nline.png'
printf '%s\0' $'x/new\nline.png' x/same.png >list0
run --files-from list0 -0 "${quick[@]}" -o nul
exits 0
there $'nul/x/new\nline.png' nul/x/same.png
run --files-from list0 "${quick[@]}" -o wrong
exits 1
mentions 'the list holds a NUL byte; use -0 for a list with NUL after each name'
run --files-from nosuch "${quick[@]}" -o none
is_failure 'diffcut: nosuch: No such file or directory'

# After "--" everything is a photo; a file called like a command is ./command.
cp small.png ./-q.png
cp small.png bench
run "${quick[@]}" -o dashes -- -q.png
exits 0
tree dashes -q.png
run ./bench "${quick[@]}" -o dashes
exits 0
tree dashes -q.png bench.png

# What is missing or empty is said.
run empty "${quick[@]}" -o none
is_failure 'diffcut: no photos found (.jpg, .jpeg, .jpe, .jfif, .png or .webp)'
run missing.png album/a.png "${quick[@]}" -o some
exits 1
complains 'diffcut: missing.png: cannot open: No such file or directory
diffcut: 1 of 2 photos failed'
there some/a.png

# Thousands of names come in order and are walked to the end (errors are quick: nothing is decoded).
mkdir many-names
(cd many-names && seq -f '%05g.jpg' 1 5000 | xargs touch)
run many-names "${quick[@]}" -o none --json
exits 1
python '
lines = [json.loads(line)["photo"] for line in out.splitlines()]
assert sorted(lines) == ["many-names/%05d.jpg" % i for i in range(1, 5001)], len(lines)
assert lines[:4096] == sorted(lines[:4096])
'
