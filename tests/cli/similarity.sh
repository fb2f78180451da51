#!/usr/bin/env bash
# similarity draws and writes where photos look like a patch, and names every mistake in place, photo and output.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
mkdir twice
cp other.png twice/small.png

run similarity small.png --at 30,30 other.png -o maps --npy --size 128
exits 0
says_nothing
tree maps small.similarity.png small.similarity.npy other.similarity.png other.similarity.npy
run features small.png --size 128 -o f.npy
exits 0
python '
import ast, array, math, struct
def load(path):
    data = open(path, "rb").read()
    length = struct.unpack("<H", data[8:10])[0]
    shape = ast.literal_eval(data[10:10 + length].decode())["shape"]
    return shape, array.array("f", data[10 + length:])
(height, width, channels), f = load("f.npy")
shape, got = load("maps/small.similarity.npy")
assert shape == (height, width), shape
token = 30 * height // 64 * width + 30 * width // 96
row = lambda i: f[i * channels:(i + 1) * channels]
dot = lambda a, b: math.fsum(x * y for x, y in zip(a, b))
for i in range(height * width):
    want = dot(row(token), row(i)) / math.sqrt(dot(row(token), row(token)) * dot(row(i), row(i)))
    assert abs(got[i] - want) < 1e-6, (i, got[i], want)
assert got[token] == max(got)
png = open("maps/small.similarity.png", "rb").read()
sides = struct.unpack(">II", png[16:24])
assert sides[0] == 96 and sides[1] > 64, sides # the legend is below
'

run similarity small.png --at 30,30 -o maps
is_failure 'diffcut: maps/small.similarity.png: exists already; --force replaces it'
run similarity small.png --at 30,30 -o maps -f --no-legend --range -1,1 --opacity 1 --size 128 -v
exits 0
mentions 'the most similar at 31,28 with 1.0000' # the middle of the patch
python '
import struct
assert struct.unpack(">II", open("maps/small.similarity.png", "rb").read()[16:24]) == (96, 64)'
run similarity one.png --at 0,0 -o maps
exits 0

run similarity small.png --at 96,0 -o new
is_failure 'diffcut: small.png: --at 96,0 is outside the photo of 96x64 pixels'
absent new/small.similarity.png
run similarity small.png --at 0,64 -o new
is_failure 'diffcut: small.png: --at 0,64 is outside the photo of 96x64 pixels'
run similarity small.png --at 1,1 missing.png other.png -o new --size 128
exits 1
mentions 'missing.png'
tree new small.similarity.png other.similarity.png # one bad photo does not stop the others

run similarity --at 1,1 -o new
is_usage_error 'diffcut similarity: no photo given' similarity
run similarity small.png -o new
is_usage_error 'diffcut similarity: --at X,Y is needed' similarity
run similarity small.png --at 1,1
is_usage_error 'diffcut similarity: -o DIR is needed' similarity
run similarity - --at 1,1 -o new
is_usage_error 'diffcut similarity: photos are read from files: the results are named after them' similarity
run similarity small.png twice/small.png --at 1,1 -o new
is_usage_error 'diffcut similarity: small.png and twice/small.png would both be written to small.similarity.png' similarity
for place in 1 1, ,1 1,2,3 -1,2 1.5,2 x,y 1,99999999999; do
    run similarity small.png --at "$place" -o new
    exits 2
    mentions "is not X,Y, a pixel's column and row from 0"
done
for range in 1 0,0 1,0 -2,1 0,1.5 a,b 0,0.5,1 nan,1; do
    run similarity small.png --at 1,1 --range "$range" -o new
    exits 2
    mentions 'is not LOW,HIGH with -1 <= LOW < HIGH <= 1'
done
