#!/usr/bin/env python3
"""recompute.py - the figures of `diffcut score` on 20 pairs of label maps, computed again with numpy and scipy.

Each rule is written from its definition: matching by scipy.optimize.linear_sum_assignment, counts by numpy. In
--reference the ties are scipy's own; in the default mode ties are avoided by the maps' sizes, so that any solver
finds the same matching.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    from PIL import Image
    from scipy.optimize import linear_sum_assignment
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

PHOTOS = 20
CLASSES = 7
LEFT_OUT = 255
TOLERANCE = 1e-9


def make_pair(random):
    """A truth of blocks and a segmentation that follows it loosely, of sizes that differ now and then."""
    height, width = random.integers(40, 90, 2)
    cells = random.integers(0, CLASSES, (5, 6))
    rows = numpy.minimum((numpy.arange(height) + random.integers(0, 5)) * 5 // height, 4)
    columns = numpy.minimum((numpy.arange(width) + random.integers(0, 5)) * 6 // width, 5)
    truth = cells[rows][:, columns]
    shifted = numpy.roll(truth, tuple(random.integers(-4, 5, 2)), (0, 1))
    prediction = shifted * 3 + (numpy.arange(width) > random.integers(0, width))
    noise = random.random(truth.shape)
    prediction = numpy.where(noise < 0.08, random.integers(0, 25, truth.shape), prediction)
    truth = numpy.where(noise > 0.93, LEFT_OUT, truth)
    return prediction.astype(numpy.uint8), truth.astype(numpy.uint8)


def histogram(truth, prediction, classes, clusters):
    valid = truth < classes
    pairs = truth[valid].astype(numpy.int64) * clusters + prediction[valid]
    return numpy.bincount(pairs, minlength=classes * clusters).reshape(classes, clusters)


def merged(counts, prediction, background):
    """The first pass: clusters that no other class takes become one."""
    others = [c for c in range(CLASSES) if c != background and counts[c].sum() > 0]
    rows, columns = linear_sum_assignment(counts[others], maximize=True)
    keep = [c for r, c in zip(rows, columns) if counts[others[r], c] > 0]
    return numpy.where(numpy.isin(prediction, keep), prediction, prediction.max() + 1)


def count_photo(prediction, truth, reference, background):
    clusters = int(prediction.max()) + 1
    if background is not None:
        prediction = merged(histogram(truth, prediction, CLASSES, clusters), prediction, background)
        clusters = int(prediction.max()) + 1
    columns = max(CLASSES, clusters) if reference else clusters
    counts = histogram(truth, prediction, CLASSES, columns)
    rows = numpy.arange(CLASSES) if reference else numpy.flatnonzero(counts.sum(1))
    matched, taken = linear_sum_assignment(counts[rows], maximize=True)
    tp, fp = numpy.zeros(CLASSES, numpy.int64), numpy.zeros(CLASSES, numpy.int64)
    for row, column in zip(rows[matched], taken):
        if reference or counts[row, column] > 0:
            tp[row] = counts[row, column]
            fp[row] = counts[:, column].sum() - tp[row]
    return tp, fp, counts.sum(1) - tp


def rand_index(prediction, truth):
    valid = truth < CLASSES
    together = histogram(truth, prediction, CLASSES, int(prediction.max()) + 1)
    pairs = [(n.astype(float) * (n - 1) / 2).sum() for n in (together, together.sum(0), together.sum(1))]
    every = valid.sum() * (valid.sum() - 1) / 2
    expected = pairs[1] * pairs[2] / every
    return (pairs[0] - expected) / ((pairs[1] + pairs[2]) / 2 - expected)


def run(folder, *options):
    done = subprocess.run([os.environ["DIFFCUT"], "score", folder / "predictions", folder / "labels", "--protocol",
                           "generic", "--classes", str(CLASSES), "--ignore", str(LEFT_OUT), "--json", *options],
                          check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def compare(folder, pairs, reference, background):
    options = ["--reference"] * reference + (["--background", str(background)] if background is not None else [])
    got = run(folder, *options)
    photos = [count_photo(*pair, reference, background) for pair in pairs]
    tp, fp, fn = (numpy.sum([photo[i] for photo in photos], 0) for i in range(3))
    iou = tp / (tp + fp + fn)
    want = {
        "miou": numpy.nanmean(iou),
        "pixel_accuracy": tp.sum() / sum((truth < CLASSES).sum() for _, truth in pairs),
        "mean_photo_miou": numpy.mean([numpy.mean([t / (t + p + n) for t, p, n in zip(*photo) if t + p + n > 0])
                                       for photo in photos]),
        "ari": numpy.mean([rand_index(*pair) for pair in pairs]),
        "segments": numpy.mean([len(numpy.unique(prediction)) for prediction, _ in pairs]),
    }
    print(f"{' '.join(options) or 'default'}: mIoU {got['miou']:.12f}, here {want['miou']:.12f}")
    assert got["photos"]["scored"] == PHOTOS
    for c, row in enumerate(got["classes"]):
        assert (row["tp"], row["fp"], row["fn"]) == (tp[c], fp[c], fn[c]), (options, row, tp[c], fp[c], fn[c])
    for key, value in want.items():
        assert abs(got[key] - value) <= TOLERANCE, (options, key, got[key], value)


def main():
    random = numpy.random.default_rng(20)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pairs = [make_pair(random) for _ in range(PHOTOS)]
        for kind in ("predictions", "labels"):
            (folder / kind).mkdir()
        for i, (prediction, truth) in enumerate(pairs):
            Image.fromarray(prediction).save(folder / "predictions" / f"{i}.png")
            Image.fromarray(truth).save(folder / "labels" / f"{i}.png")
        compare(folder, pairs, False, None)
        compare(folder, pairs, True, None)
        compare(folder, pairs, False, CLASSES - 1)


main()
