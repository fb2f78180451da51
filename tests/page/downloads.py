"""What is downloaded from the page, read back: equal to the command's files, and true to what was merged and hidden."""
import io
import json
import os
import tempfile

from page import SAMPLES, equal, main, segment, skip, true

try:
    import numpy
    from PIL import Image
    from pycocotools import mask as coco
except ImportError as error:
    skip(f"{error.name} is not installed")


def open_image(data):
    return Image.open(io.BytesIO(data))


def label_map(data):
    return numpy.asarray(open_image(data)).astype(int)


def photo(name):
    return numpy.asarray(Image.open(os.path.join(SAMPLES, name)).convert("RGB"))


def check_coco(data, labels, hidden=()):
    """One annotation a label that occurs and is not hidden, each mask the label's pixels."""
    document = json.loads(data)
    expected = [label for label in sorted(set(labels.ravel().tolist())) if label not in hidden]
    equal("annotations", [one["id"] - 1 for one in document["annotations"]], expected)
    for one in document["annotations"]:
        true(f"mask of {one['id'] - 1}", numpy.array_equal(coco.decode(one["segmentation"]) == 1,
                                                           labels == one["id"] - 1))


def unedited_files_equal_the_commands(page):
    with tempfile.TemporaryDirectory() as folder:
        segment(os.path.join(SAMPLES, "chelsea.png"), folder, "--tau", "0.4", "--coco")
        page.open_sample("chelsea")
        page.set_range("#tau", 0.4)
        page.settle()
        labels = page.download("labels", "chelsea.labels.png")
        expected = Image.open(os.path.join(folder, "chelsea.png"))
        true("labels", numpy.array_equal(label_map(labels), numpy.asarray(expected)))
        count = int(numpy.asarray(expected).max()) + 1
        equal("palette", open_image(labels).getpalette()[:3 * count], expected.getpalette()[:3 * count])
        equal("segments on the page", page.number("#count"), len(numpy.unique(label_map(labels))))
        overlay = numpy.asarray(open_image(page.download("overlay", "chelsea.overlay.png")).convert("RGB"))
        expected = numpy.asarray(Image.open(os.path.join(folder, "chelsea.overlay.png")).convert("RGB"))
        true("overlay", numpy.array_equal(overlay, expected))
        made = json.loads(page.download("coco", "chelsea.coco.json"))
        with open(os.path.join(folder, "chelsea.coco.json")) as file:
            expected = json.load(file)
        for one in made["annotations"] + expected["annotations"]:
            one.pop("image_id")  # the command numbers photos, the page has one
        equal("annotations", made["annotations"], expected["annotations"])
        equal("categories", made["categories"], expected["categories"])


def more_than_256_segments_make_a_16_bit_map(page):
    page.open_sample("chelsea")
    page.click("#fine summary")
    page.click("#refine")
    page.run("const slider = document.getElementById('tau'); window.most = Number(slider.max);")
    page.set_range("#tau", page.run("return window.most"))
    page.settle()
    with tempfile.TemporaryDirectory() as folder:
        segment(os.path.join(SAMPLES, "chelsea.png"), folder, "--no-refine", "--tau",
                str(page.run("return window.most")), "--outputs", "labels")
        data = page.download("labels", "chelsea.labels.png")
        equal("16 bits", open_image(data).mode, "I;16")
        expected = numpy.asarray(Image.open(os.path.join(folder, "chelsea.png"))).astype(int)
        true("more than 256", expected.max() > 256)
        true("labels", numpy.array_equal(label_map(data), expected))


def merges_and_hides_are_in_every_file(page):
    page.open_sample("coffee")
    plain = label_map(page.download("labels", "coffee.labels.png"))
    height, width = plain.shape
    equal("the photo's size", (width, height), (600, 400))
    places = [(0.5, 0.2), (0.9, 0.3)]
    chosen = sorted(int(plain[int(v * height), int(u * width)]) for u, v in places)
    for place in places:
        page.press(page.on_photo(*place))
    page.wait_text("#selected-count", "2 chosen")
    page.click("#merge")
    expected = numpy.where(plain == chosen[1], chosen[0], plain)
    true("labels, merged", numpy.array_equal(label_map(page.download("labels", "coffee.labels.png")), expected))
    check_coco(page.download("coco", "coffee.coco.json"), expected)

    cut = numpy.asarray(open_image(page.download("cutout", "coffee.cutout.png")))
    equal("alpha", cut.shape, (height, width, 4))
    inside = expected == chosen[0]
    true("opaque where chosen, clear elsewhere", numpy.array_equal(cut[..., 3], numpy.where(inside, 255, 0)))
    true("the photo's own pixels", numpy.array_equal(cut[..., :3][inside], photo("coffee.png")[inside]))

    page.click("#hide")
    true("hidden ones stay in the label map",
         numpy.array_equal(label_map(page.download("labels", "coffee.labels.png")), expected))
    check_coco(page.download("coco", "coffee.coco.json"), expected, hidden=[chosen[0]])
    page.click("#boundaries")
    overlay = numpy.asarray(open_image(page.download("overlay", "coffee.overlay.png")).convert("RGB"))
    true("the photo where hidden", numpy.array_equal(overlay[inside], photo("coffee.png")[inside]))
    true("colours elsewhere", not numpy.array_equal(overlay[~inside], photo("coffee.png")[~inside]))

    # A cut so coarse that the merge is only a part of its segment: at its pixels as they were, a number of its own.
    page.click("#hide")
    page.set_range("#tau", 0)
    page.settle()
    labels = label_map(page.download("labels", "coffee.labels.png"))
    equal("labels", sorted(set(labels.ravel().tolist())), [0, 1])
    both = (labels == 1) & inside
    # Its borders are the features' now: those of a coarser cut are not there to be refined.
    share = both.sum() / ((labels == 1) | inside).sum()
    true(f"about the same pixels: {share:.3f}", share > 0.75)
    page.click("#undo")
    page.click("#undo")
    page.click("#undo")
    page.click("#undo")
    page.settle()
    true("undone", numpy.array_equal(label_map(page.download("labels", "coffee.labels.png")), plain))


def a_photo_that_lies_on_its_side_is_cut_out_upright(page):
    with tempfile.TemporaryDirectory() as folder:
        # EXIF orientation 6: to be turned a quarter to the right.
        path = os.path.join(folder, "side.jpg")
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.open(os.path.join(SAMPLES, "coffee.png")).save(path, quality=95, exif=exif)
        page.open_file(path)
        page.settle()
        page.press(page.on_photo(0.5, 0.5))
        page.wait_text("#selected-count", "1 chosen")
        cut = numpy.asarray(open_image(page.download("cutout", "side.cutout.png")))
        labels = label_map(page.download("labels", "side.labels.png"))
        equal("turned", (cut.shape[:2], labels.shape), ((600, 400), (600, 400)))
        inside = cut[..., 3] == 255
        upright = numpy.rot90(photo("coffee.png"), -1).astype(int)
        true("the photo's pixels, upright", abs(cut[..., :3][inside] - upright[inside]).mean() < 6)


main(unedited_files_equal_the_commands,
     more_than_256_segments_make_a_16_bit_map,
     merges_and_hides_are_in_every_file,
     a_photo_that_lies_on_its_side_is_cut_out_upright)
