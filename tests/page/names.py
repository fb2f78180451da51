"""Segments are named on the page: classes typed or chosen, legend, colours, the slider, merges, the files; a phone."""
import io
import json
import os
import subprocess
import sys
import tempfile

from page import DIFFCUT, SAMPLES, SOURCE, equal, main, skip, true

sys.path.insert(0, os.path.join(SOURCE, "tests", "cli"))
import label_data

try:
    import numpy
    from PIL import Image
except ImportError as error:
    skip(f"{error.name} is not installed")

MODELS = os.path.join(os.environ.get("SHARED_DIR", ""), "golden", "models")
if not os.path.isdir(os.path.join(MODELS, "tiny-convnext-clip")):
    skip("the golden models are not there")
FOLDER = tempfile.TemporaryDirectory(prefix="diffcut-names.")
CLIP = os.path.join(FOLDER.name, "clip")
label_data.clip(MODELS, CLIP)
CLASSES = "cat|kitten, wall, whisker"


def keep_picture(page, name):
    if "PAGE_PICTURES" in os.environ:
        page.picture(os.path.join(os.environ["PAGE_PICTURES"], name + ".png"))


def label(photo, *options):
    """What `diffcut label` says of the photo: the summary, and the map of classes."""
    out = os.path.join(FOLDER.name, "out")
    subprocess.run([DIFFCUT, "label", photo, "--clip", CLIP, "--clip-size", "128", "--no-names-cache", "--force", "-q",
                    "-o", out, *options], check=True)
    stem = os.path.splitext(os.path.basename(photo))[0]
    with open(os.path.join(out, stem + ".json"), encoding="utf-8") as file:
        return json.load(file), numpy.asarray(Image.open(os.path.join(out, stem + ".png"))).astype(int)


def wait_names(page):
    page.wait("the names", lambda: page.run("""
        const block = document.getElementById('names-found');
        return !block.hidden && document.getElementById('names-state').textContent === '' &&
            !document.querySelector('[data-download=names]').disabled;"""))


def type_classes(page, classes):
    page.run("document.getElementById('classes').value = ''")
    page.type("#classes", classes)
    page.keys("Enter")
    wait_names(page)


def legend(page):
    """[(name, segments)] and the swatches' colours."""
    return page.run("""return [...document.querySelectorAll('#classes-found li')].map((row) =>
        [row.querySelector('.name').textContent, parseInt(row.querySelector('.note').textContent),
         getComputedStyle(row.querySelector('.swatch')).backgroundColor.match(/\\d+/g).map(Number)])""")


def typed_classes_name_the_segments_as_the_command_does(page):
    page.open_sample("chelsea")
    page.click("#boundaries")
    page.set_range("#tau", 0.4)
    page.settle()
    before = page.picture_sum()
    type_classes(page, CLASSES)
    page.wait("colours of classes", lambda: page.picture_sum() != before)
    summary, classes = label(os.path.join(SAMPLES, "chelsea.png"), "--classes", CLASSES, "--tau", "0.4")
    expected = {one["label"]: one["name"] for one in summary["segments"]}
    named = {segment: words.split(",")[0] for segment, words, _ in page.rows()}
    equal("names in the list", named, expected)
    counts = {name: list(expected.values()).count(name) for name in expected.values()}
    equal("the legend", {name: count for name, count, _ in legend(page)}, counts)
    true("what is said: " + page.said(), any(name in page.said() for name in counts))

    # The photo's colours are the legend's, and the tip has the name.
    colors = {name: color for name, _, color in legend(page)}
    height, width = classes.shape
    u, v = 0.5, 0.5
    name = summary["classes"][classes[int(v * height), int(u * width)]]
    shown = page.pixel(u, v)[:3]
    true(f"colour of {name} on the photo: {shown}, {colors[name]}",  # a canvas rounds what lets the photo through
         all(abs(a - b) <= 1 for a, b in zip(shown, colors[name])))
    page.hover(page.on_photo(u, v))
    page.wait("the tip", lambda: page.shown("#tip"))
    true("tip: " + page.text("#tip-text"), page.text("#tip-text").startswith(name + " · Segment "))

    files = page.download("classes", "chelsea.classes.png")
    true("the class map is the command's", numpy.array_equal(numpy.asarray(Image.open(io.BytesIO(files))), classes))
    made = json.loads(page.download("names", "chelsea.names.json"))
    equal("classes in the file", [one["name"] for one in made["classes"]], summary["classes"])
    equal("segments in the file", [(one["segment"], one["area"], one["name"]) for one in made["segments"]],
          [(one["label"], one["area"], one["name"]) for one in summary["segments"]])
    for mine, theirs in zip(made["segments"], summary["segments"]):
        equal("nearest classes", [one["name"] for one in mine["top"]], [one["name"] for one in theirs["top"]])
        true("probability", abs(mine["probability"] - theirs["probability"]) < 1e-4)


def colours_go_between_segments_and_classes(page):
    page.open_sample("coffee")
    page.click("#boundaries")
    page.settle()
    plain = page.picture_sum()
    type_classes(page, "cup, table, spoon")
    page.wait("colours of classes", lambda: page.picture_sum() != plain)
    page.click("[name=colours][value=segments] + span")
    page.wait("colours of segments", lambda: page.picture_sum() == plain)
    page.wait("names stay", lambda: all(not words.startswith("Segment") for _, words, _ in page.rows()))
    page.click("[name=colours][value=classes] + span")
    page.wait("colours of classes again", lambda: page.picture_sum() != plain)
    overlay = numpy.asarray(Image.open(io.BytesIO(page.download("overlay", "coffee.overlay.png"))).convert("RGB"))
    classes = numpy.asarray(Image.open(io.BytesIO(page.download("classes", "coffee.classes.png")))).astype(int)
    photo = numpy.asarray(Image.open(os.path.join(SAMPLES, "coffee.png")).convert("RGB")).astype(int)
    color = numpy.asarray({name: rgb for name, _, rgb in legend(page)}[["cup", "table", "spoon"][classes[200, 300]]])
    expected = (photo[200, 300] + color) / 2
    true("the overlay has the colours of classes", abs(overlay[200, 300] - expected).max() <= 1)
    page.click("#names-clear")
    page.wait("no names", lambda: page.picture_sum() == plain and not page.shown("#names-found"))
    page.wait("numbers again", lambda: all(words.startswith("Segment") for _, words, _ in page.rows()))
    true("no file of names", not page.enabled("[data-download=names]"))


def names_follow_the_slider_and_merges(page):
    page.open_sample("chelsea")
    page.set_range("#tau", 0.5)
    page.settle()
    type_classes(page, CLASSES)
    page.set_range("#tau", 0.3)
    page.wait("the names of the cut before, meanwhile", lambda: page.shown("#names-found"))
    page.settle()
    wait_names(page)
    summary, _ = label(os.path.join(SAMPLES, "chelsea.png"), "--classes", CLASSES, "--tau", "0.3")
    expected = {one["label"]: one["name"] for one in summary["segments"]}
    page.wait("names at another tau", lambda: expected ==
              {segment: words.split(",")[0] for segment, words, _ in page.rows()})
    areas = {one["label"]: one for one in summary["segments"]}
    chosen = sorted(areas, key=lambda one: areas[one]["area"])[-2:]
    for segment in chosen:
        page.run("document.getElementById('segment-' + arguments[0]).click()", segment)
    page.wait_text("#selected-count", "2 chosen")
    page.click("#merge")
    page.settle()
    page.wait("one row less", lambda: len(page.rows()) == len(expected) - 1)
    made = json.loads(page.download("names", "chelsea.names.json"))
    merged = [one for one in made["segments"] if one["merged"]]
    equal("merged segments", len(merged), 1)
    equal("its area", merged[0]["area"], sum(areas[segment]["area"] for segment in chosen))
    weighed = {}
    for segment in chosen:
        for one in areas[segment]["top"]:
            weighed[one["name"]] = weighed.get(one["name"], 0) + areas[segment]["area"] * one["probability"]
    equal("its name is its parts', weighed", merged[0]["name"], max(weighed, key=weighed.get))


def a_list_is_chosen_with_the_keys_and_mistakes_are_said(page):
    page.open_sample("rocket")
    page.set_range("#tau", 0.5)
    page.settle()
    page.type("#classes", "dog|puppy, Puppy")
    page.keys("Enter")
    page.wait("the refusal", lambda: page.shown("#names-error"))
    true(page.text("#names-error"), "named twice" in page.text("#names-error"))
    equal("told to a screen reader", page.run("return document.getElementById('classes').ariaInvalid"), "true")
    true("the browser tells of the refusal alone", [" 422 " in one for one in page.complaints()] == [True])
    equal("nothing typed is taken for a shortcut", page.text("#selected-count"), "")
    page.run("document.getElementById('vocabulary').focus()")
    page.run("""const list = document.getElementById('vocabulary');
                list.value = 'voc';
                list.dispatchEvent(new Event('change', {bubbles: true}));""")
    true("no box for own classes", not page.shown("#classes"))
    page.run("document.getElementById('names-ask').focus()")
    page.keys("Enter")
    wait_names(page)
    true("no refusal is left", not page.shown("#names-error"))
    summary, _ = label(os.path.join(SAMPLES, "rocket.jpg"), "--vocabulary", "voc", "--tau", "0.5")
    expected = {one["label"]: one["name"] for one in summary["segments"]}
    equal("names", {segment: words.split(",")[0] for segment, words, _ in page.rows()}, expected)
    for selector, name in (("#classes-found", "Classes found"), ("#vocabulary", "Choose names from"),
                           ("#names-form", "Names")):
        equal("accessible name of " + selector, page.name_and_role(selector)[0], name)


def names_fit_a_phone_and_both_schemes(page):
    for width, height, scheme in ((1280, 860, "light"), (1280, 860, "dark"), (360, 740, "light")):
        page.resize(width, height)
        page.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.load()
        page.open_sample("astronaut")
        type_classes(page, "astronaut|person|spacewoman, flag, rocket|shuttle, helmet, a name that is long enough not to fit")
        page.run("document.getElementById('names-block').scrollIntoView()")
        page.wait("rows", lambda: page.run("return document.querySelectorAll('#classes-found li').length > 0"))
        keep_picture(page, f"names-{scheme}-{width}")
        inside = page.run("return [document.documentElement.scrollWidth, innerWidth]")
        true(f"nothing beside the page: {inside}", inside[0] <= inside[1])
        inside = page.run("return [document.documentElement.scrollHeight, innerHeight]")
        true(f"nothing below the page: {inside}", width < 760 or inside[0] <= inside[1])
        panel = page.run("const p = document.getElementById('panel'); return [p.scrollWidth, p.clientWidth]")
        equal("nothing beside the panel", panel[0], panel[1])
        small = page.run("""return [...document.querySelectorAll('#names-block button, #names-block input:not([type=radio]), #names-block select')]
            .filter((one) => one.getClientRects().length > 0).map((one) => one.getBoundingClientRect().height)
            .filter((height) => height < 24);""")
        equal("controls too small to be hit", small, [])
    page.resize(1280, 860)


main(typed_classes_name_the_segments_as_the_command_does,
     colours_go_between_segments_and_classes,
     names_follow_the_slider_and_merges,
     a_list_is_chosen_with_the_keys_and_mistakes_are_said,
     names_fit_a_phone_and_both_schemes,
     server_options=("--clip", CLIP, "--clip-size", "128", "--no-names-cache"))
