#!/usr/bin/env python3
"""recompute_eval.py - the figures of `diffcut eval` on 20 photos, computed again with numpy and scipy from the label
maps that --save-predictions wrote and the data set's own files.

Every step is written from its definition: the centre square, the two resamplings of the truth, matching by
scipy.optimize.linear_sum_assignment, counts by numpy. Ties between matchings of equal overlap would be settled in
another order by default, but a photo's segments overlap the few classes here in different numbers of pixels.
"""
import csv
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
CLASSES = 4
LEFT_OUT = 255
INPUT = 256  # side of the network's input
COMPARED = 128
TOLERANCE = 1e-9
SETTINGS = "tau=0.2:0.6:0.2,alpha=5,refine=on,off"

diffcut = os.environ["DIFFCUT"]
make = pathlib.Path(__file__).parent.parent / "cli" / "eval_data.py"


def truth_of(name):
    """The centre square of side min - 1, nearest-exact to the network's input, plain nearest to what is compared."""
    labels = numpy.array(Image.open(f"set/labels/{name}.png")).astype(int)
    height, width = labels.shape
    side = min(height, width) - 1
    top, left = round((height - side) / 2), round((width - side) / 2)  # half to even, as in Python
    labels = labels[top:top + side, left:left + side]
    exact = numpy.minimum(numpy.floor((numpy.arange(INPUT) + 0.5) * side / INPUT).astype(int), side - 1)
    plain = numpy.arange(COMPARED) * INPUT // COMPARED
    return labels[exact][:, exact][plain][:, plain]


def counts_of(truth, prediction, reference):
    """TP, FP and FN of each class in one photo."""
    clusters = max(prediction.max() + 1, 1)
    valid = truth != LEFT_OUT
    pairs = truth[valid] * clusters + prediction[valid]
    overlap = numpy.bincount(pairs, minlength=CLASSES * clusters).reshape(CLASSES, clusters)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    tp, fp, fn = numpy.zeros(CLASSES, int), numpy.zeros(CLASSES, int), overlap.sum(1).astype(int)
    for row, column in zip(rows, columns):
        if reference or overlap[row, column] > 0:
            tp[row] = overlap[row, column]
            fp[row] = overlap[:, column].sum() - tp[row]
            fn[row] -= tp[row]
    return tp, fp, fn


def recompute(folder, setting, reference):
    totals = numpy.zeros((3, CLASSES), int)
    for number in range(PHOTOS):
        prediction = numpy.array(Image.open(f"{folder}/{setting}/{number}.png")).astype(int)
        assert prediction.shape == (COMPARED, COMPARED), prediction.shape
        totals += counts_of(truth_of(number), prediction, reference)
    tp, fp, fn = totals
    occurs = totals.sum(0) > 0
    return float(numpy.mean(tp[occurs] / totals.sum(0)[occurs])), totals


def check(reference):
    name = "reference" if reference else "default"
    # The photos' numbers are their names; what the background is has no pass of its own here.
    subprocess.run([diffcut, "eval", "--set", "generic", "--data", "set", "--classes", str(CLASSES), "--ignore",
                    str(LEFT_OUT), "--size", str(INPUT), "--sweep", SETTINGS, "--replicates", "0", "-q", "--no-cache",
                    "--save-predictions", f"maps-{name}", "-o", name, "--json"] +
                   (["--reference"] if reference else []), check=True, stdout=subprocess.DEVNULL)
    rows = list(csv.DictReader(open(f"{name}/settings.csv", newline="", encoding="utf-8")))
    classes = list(csv.DictReader(open(f"{name}/classes.csv", newline="", encoding="utf-8")))
    assert len(rows) == 6, len(rows)
    for row in rows:
        miou, totals = recompute(f"maps-{name}", row["name"], reference)
        found = float(row["miou"])
        mine = [c for c in classes if c["setting"] == row["name"]]
        for key, expected in zip(("tp", "fp", "fn"), totals):
            got = [int(c[key]) for c in mine]
            assert got == list(expected), f"{name}, {row['name']}: {key} is {got}, expected {list(expected)}"
        assert abs(found - miou) <= TOLERANCE, f"{name}, {row['name']}: mIoU is {found}, expected {miou}"
        print(f"{name}, {row['name']}: mIoU {found:.6f}, by scipy {miou:.6f}")


with tempfile.TemporaryDirectory(prefix="diffcut-recompute.") as work:
    os.chdir(work)
    subprocess.run([sys.executable, make, "set", str(PHOTOS)], check=True)
    check(True)
    check(False)
