"""The page's modules by themselves (units.js, in the browser), and what they write read back by others' programs."""
import base64
import io
import json
import os
import tempfile

from page import SAMPLES, command, equal, main, segment, skip, true

try:
    import numpy
    from PIL import Image
    from pycocotools import mask as coco
except ImportError as error:
    skip(f"{error.name} is not installed")

made = {}  # what units.js returned


def every_part_keeps_its_promises(page):
    with open(os.path.join(os.path.dirname(__file__), "units.js")) as file:
        made.update(page.run("return (async () => {" + file.read() + "})();"))
    broken = [f"{name}: {why}" for name, why in made["results"] if why is not None]
    true("; ".join(broken), not broken)
    print(f"  {len(made['results'])} promises kept")


def png_files_of_every_kind_read_back_the_same(page):
    for name, (data, file) in made["samples"].items():
        image = Image.open(io.BytesIO(base64.b64decode(file)))
        expected = base64.b64decode(data)
        if name.startswith("PNG_GREY16"):
            got = numpy.asarray(image).astype(">u2").tobytes()
        else:
            got = image.tobytes()
        true(f"{name}: other pixels", got == expected)
        image = Image.open(io.BytesIO(base64.b64decode(file)))
        image.verify()  # checksums


def masks_are_read_by_pycocotools(page):
    for sample in made["masks"]:
        labels = numpy.array(sample["labels"]).reshape(sample["height"], sample["width"])
        document = json.loads(sample["json"])
        equal("name", document["images"][0]["file_name"], 'a"b.png')
        equal("labels that occur", [one["id"] - 1 for one in document["annotations"]], sorted(set(sample["labels"])))
        for one in document["annotations"]:
            mask = coco.decode(one["segmentation"])
            true(f"mask {one['id']} of {labels.shape}", numpy.array_equal(mask == 1, labels == one["id"] - 1))
            equal("area", one["area"], int(mask.sum()))
            equal("box", one["bbox"], coco.toBbox(one["segmentation"]).tolist())


def colours_are_the_librarys(page):
    with tempfile.TemporaryDirectory() as folder:
        photo = os.path.join(SAMPLES, "chelsea.png")
        segment(photo, folder, "--tau", "0.65", "--no-refine", "--outputs", "labels")
        colours = Image.open(os.path.join(folder, "chelsea.png")).getpalette()
        true(f"only {len(colours) // 3} colours to compare", len(colours) // 3 > 60)
        equal("palette", made["palette"][:len(colours)], colours)
        command("similarity", photo, "--at", "100,100", "--opacity", "1", "--no-legend", "-o", folder)
        picture = numpy.asarray(Image.open(os.path.join(folder, "chelsea.similarity.png")).convert("RGB"))
        found = set(map(tuple, picture.reshape(-1, 3).tolist())) - {(0, 0, 0), (255, 255, 255)}
        true(f"{len(found)} colours of the command's heat map", len(found) > 200)
        equal("colours that the page has not", found - set(map(tuple, made["heat"])), set())


def cuts_made_in_the_browser_are_numbered_as_the_librarys(page):
    page.open_sample("chelsea")
    taus = ["0", "0.1", "0.25", "0.3", "0.4", "0.405", "0.5", "0.65", "0.8"]
    cuts = page.run("""return (async (taus, id) => {
        const [{readTree, tokenLabels}, {askJson}] = await Promise.all([import('/tree.js'), import('/api.js')]);
        const tree = readTree(await askJson(`v1/trees/${id}`));
        return taus.map((tau) => [...tokenLabels(tree, Number(tau))]);
    })(arguments[0], arguments[1]);""", taus, page.tree())
    with tempfile.TemporaryDirectory() as folder:
        segment(os.path.join(SAMPLES, "chelsea.png"), folder, "--tau", ",".join(taus), "--no-refine", "--outputs",
                "labels", "--dump", os.path.join(folder, "dump"))
        for tau, cut in zip(taus, cuts):
            expected = numpy.load(os.path.join(folder, "dump", "chelsea", f"tokens_tau_{tau}.tau{tau}.npy"))
            true(f"tau {tau}: other labels", expected.astype(int).ravel().tolist() == cut)
        true("many segments at the finest cut", max(cuts[-1]) > 60)


main(every_part_keeps_its_promises,
     png_files_of_every_kind_read_back_the_same,
     masks_are_read_by_pycocotools,
     colours_are_the_librarys,
     cuts_made_in_the_browser_are_numbered_as_the_librarys)
