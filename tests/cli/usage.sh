#!/usr/bin/env bash
# Every mistake in the line is exit 2, with the option, the value and the range on standard error, before anything is
# opened or written.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

wrong() { # wrong TEXT ARGUMENT...
    local text=$1
    shift
    run segment x.jpg "$@"
    is_usage_error "diffcut segment: $text"
}

run
exits 2
complains "diffcut: no photo given
Try 'diffcut --help'."
run segmnet
exits 2
complains "diffcut: 'segmnet' is neither a command nor a file; did you mean 'segment'?
Try 'diffcut --help'."
run zebra
exits 2
complains "diffcut: 'zebra' is neither a command nor a file
Try 'diffcut --help'."
run model
exits 2
complains "diffcut: 'model' is the start of: diffcut model info, diffcut model pull, diffcut model verify, diffcut model context, diffcut model synth
Try 'diffcut --help'."
run segment
is_usage_error 'diffcut segment: no photo given'
run --tau 0.3
is_usage_error 'diffcut segment: no photo given'

wrong "unknown option '--zebra'" --zebra
wrong "unknown option '--tua'; did you mean '--tau'?" --tua 0.3
wrong "unknown option '--iteration'; did you mean '--iterations'?" --iteration=3
wrong "unknown option '-z'" -z
wrong "unknown option '-z'" -qz
wrong '--tau needs an argument: T[,T...]' --tau
wrong '-o needs an argument: DIR' -o
wrong '-o: the argument is empty' -o ''
wrong '--square takes no argument' --square=1

wrong "--tau: '0.5x' is not a number" --tau 0.5x
wrong "--tau: 'nan' is not a number" --tau nan
wrong "--tau: 'inf' is not a number" --tau inf
wrong "--tau: '0x1' is not a number" --tau 0x1
wrong "--tau: ' 0.5' is not a number" --tau ' 0.5'
wrong "--tau: '' is not a number" --tau 0.3,,0.5
wrong "--tau: '' is not a number" --tau 0.3,
wrong '--tau: 1.5 is outside 0 .. 1' --tau 1.5
wrong '--tau: -0.1 is outside 0 .. 1' --tau -0.1
wrong '--tau: 0.30 is given twice' --tau 0.3,0.30
wrong '--tau: more than 64 values' --tau "$(seq -s, 0 0.01 0.7)"
wrong '--alpha: 0 is not above 0' --alpha 0
wrong '--alpha: -3 is not above 0' --alpha -3
wrong "--alpha: '1e999' is not a number" --alpha 1e999
wrong '--timestep: -1 is outside 0 .. 999' --timestep -1
wrong '--timestep: 1000 is outside 0 .. 999' --timestep 1000
wrong "--timestep: '5.5' is not a whole number" --timestep 5.5
wrong "--timestep: '99999999999999999999' is not a whole number" --timestep 99999999999999999999
wrong "--timestep: '' is not a whole number" --timestep 50,
wrong '--timestep: 50 is given twice' --timestep 50,300,50
wrong '--timestep: 1000 is outside 0 .. 999' --timestep 50,1000
wrong '--timestep: more than 16 values' --timestep "$(seq -s, 1 17)"
wrong "--noise: 'gpu' is none of cpu|cuda" --noise gpu
wrong '--average: 0 is outside 1 .. 1024' --average 0
wrong '--average: 1025 is outside 1 .. 1024' --average 1025
wrong "--seed: '-1' is not a whole number from 0 to 2^64 - 1" --seed -1
wrong "--seed: '18446744073709551616' is not a whole number from 0 to 2^64 - 1" --seed 18446744073709551616
wrong "--size: 'big' is neither a number of pixels, WIDTHxHEIGHT nor native" --size big
wrong "--size: '5x' is neither a number of pixels, WIDTHxHEIGHT nor native" --size 5x
wrong '--size: 0 is outside 1 .. 16384' --size 0
wrong '--size: 16385 is outside 1 .. 16384' --size 16385
wrong '--size: 99999x8 has a side outside 1 .. 16384' --size 99999x8
wrong '--square needs one number as --size' --square --size 64x64
wrong '--square needs one number as --size' --square --size native
wrong 'tile 63 is neither 0 nor in 64 .. 16384' --tile 63
wrong "--tile: 16385 is outside 0 .. 16384" --tile 16385
wrong "--precision: 'half' is none of auto|f32|bf16" --precision half
wrong "--resample: 'cubic' is none of antialias|bilinear" --resample cubic
wrong "--eigen: 'aut' is none of auto|dense" --eigen aut
wrong "--eigen: '' is none of auto|dense" --eigen ''
wrong '--min-tokens: -1 is outside 0 .. 16384' --min-tokens -1
wrong '--iterations: 1001 is outside 0 .. 1000' --iterations 1001
wrong '--dilations: 0 is outside 1 .. 1024' --dilations 1,0
wrong "--dilations: '' is not a whole number" --dilations ''
wrong '--dilations: more than 16 values' --dilations 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17
wrong "--median: '4' is not 0 or an odd number up to 15" --median 4
wrong '--refine-size: 70000 is outside 0 .. 65536' --refine-size 70000
wrong '--opacity: 1.01 is outside 0 .. 1' --opacity 1.01
wrong '--threads: 5000 is outside 0 .. 1024' --threads 5000
wrong '--max-pixels: 0 is below 1' --max-pixels 0
wrong "--outputs: 'lables' is none of labels, overlay, json, coco, npy, features; did you mean 'labels'?" \
    --outputs lables
wrong '--null needs --files-from' -0
wrong 'standard input can be read only once' - -
wrong 'standard input can be read only once' - --files-from -
wrong '-o is a folder; for standard output use features, cut and refine' -o -

run features
is_usage_error 'diffcut features: no photo given' features
run features a.png b.png -o f.npy
is_usage_error 'diffcut features: more than one photo given' features
run features a.png
is_usage_error 'diffcut features: -o F is needed (- for standard output)' features
run features a.png -o f.npy --format png
is_usage_error "diffcut features: --format: 'png' is none of npy|safetensors" features
run cut -o x.png
is_usage_error 'diffcut cut: no features given' cut
run cut f.npy
is_usage_error 'diffcut cut: -o LABELS.png is needed (- for standard output)' cut
run cut f.npy -o - --tau 0.3,0.5
is_usage_error 'diffcut cut: standard output takes one --tau' cut
run cut - --image - -o x.png
is_usage_error 'diffcut cut: standard input can be read only once' cut
run refine a.png -o x.png
is_usage_error 'diffcut refine: a photo and a label map are needed' refine
run refine a.png b.png
is_usage_error 'diffcut refine: -o OUT.png is needed (- for standard output)' refine
run refine - - -o x.png
is_usage_error 'diffcut refine: standard input can be read only once' refine
run model info a b
is_usage_error 'diffcut model info: more than one model given' 'model info'
run model context a b -o c
is_usage_error 'diffcut model context: more than one model given' 'model context'
run model context a
is_usage_error 'diffcut model context: -o FILE is needed (- for standard output)' 'model context'
run model verify a b
is_usage_error 'diffcut model verify: more than one model given' 'model verify'
run model synth -o x
is_usage_error 'diffcut model synth: --like NAME is needed' 'model synth'
run model synth --like sd1
is_usage_error 'diffcut model synth: -o DIR is needed (or --dry-run)' 'model synth'
run model synth --like sd1 -o x y
is_usage_error "diffcut model synth: 'y': it takes no arguments but options" 'model synth'
run model synth --like sd1 -o x --dtype f8
is_usage_error "diffcut model synth: --dtype: 'f8' is none of f16|bf16|f32" 'model synth'
run model synth --like sd1 -o x --seed -1
is_usage_error "diffcut model synth: --seed: '-1' is not a whole number from 0 to 2^64 - 1" 'model synth'
run score a
is_usage_error 'diffcut score: a folder of predictions and a folder of labels are needed' score
run score a b
is_usage_error 'diffcut score: --protocol NAME is needed' score
run score a b --protocol pascal
is_usage_error "diffcut score: no protocol 'pascal'; there are voc, context, coco-object, coco-stuff-27, cityscapes, ade20k, generic" score
run score a b --protocol generic
is_usage_error 'diffcut score: --protocol generic needs --classes N or --values V,V,...' score
run score a b --protocol generic --classes 3 --values 0,255
is_usage_error 'diffcut score: --classes is 3, --values has 2' score
run score a b --protocol generic --values 0,7,0
is_usage_error "diffcut score: protocol generic: values[2] is 0, another class's already" score
run score a b --protocol generic --values 0,x
is_usage_error "diffcut score: --values: 'x' is not a whole number" score
run score a b --protocol generic --classes 2 --background 2
is_usage_error 'diffcut score: protocol generic: background is 2, the value of no class' score
run score a b --protocol generic --classes 2 --ignore 1
is_usage_error 'diffcut score: protocol generic: ignore is 1, the value of class 1' score
run score a b --protocol voc --classes 2
is_usage_error 'diffcut score: protocol voc has classes of its own: classes, names, values and background are for generic' score
run score a b --protocol voc --label-values detail
is_usage_error "diffcut score: protocol voc: only context has the detail's label values" score
run bench a.png b.png
is_usage_error 'diffcut bench: more than one photo given' bench
run bench a.png --synthetic 8x8
is_usage_error 'diffcut bench: a photo and --synthetic exclude each other' bench
run bench --synthetic 8
is_usage_error "diffcut bench: --synthetic: '8' is not WIDTHxHEIGHT with sides of 1 .. 16384" bench
run bench --repeat 0
is_usage_error 'diffcut bench: --repeat: 0 is outside 1 .. 10000' bench
run bench -
is_usage_error 'diffcut bench: standard input cannot be read again and again; name a file' bench

check
[ "$(ls -A)" = '' ] || fail "something was written: $(ls -A)"
