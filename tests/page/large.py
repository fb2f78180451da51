"""A photo of 24 megapixels: shown small, downloaded at its full size."""
import io
import os
import tempfile

from page import SAMPLES, equal, main, skip, true

try:
    import numpy
    from PIL import Image
except ImportError as error:
    skip(f"{error.name} is not installed")

WIDTH, HEIGHT = 6000, 4000


def a_large_photo_is_shown_small_and_cut_out_at_full_size(page):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "large.jpg")
        Image.open(os.path.join(SAMPLES, "coffee.png")).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(
            path, quality=85)
        page.open_file(path)
        page.settle()
        sizes = page.run("return ['photo-layer', 'segment-layer'].map((id) => document.getElementById(id).width)")
        equal("widths of what is shown", sizes, [2560, 1024])
        if "PAGE_PICTURES" in os.environ:
            page.picture(os.path.join(os.environ["PAGE_PICTURES"], "large.png"))
        page.press(page.on_photo(0.5, 0.2))
        page.press(page.on_photo(0.45, 0.45))
        page.wait_text("#selected-count", "2 chosen")
        chosen = sorted(segment for segment, _, selected in page.rows() if selected)
        page.click("#merge")
        labels = numpy.asarray(Image.open(io.BytesIO(page.download("labels", "large.labels.png"))))
        equal("size of the labels", labels.shape, (HEIGHT, WIDTH))
        true("the merged number, not the other", (labels == chosen[0]).any() and not (labels == chosen[1]).any())
        cut = numpy.asarray(Image.open(io.BytesIO(page.download("cutout", "large.cutout.png"))))
        equal("size of the cut-out", cut.shape, (HEIGHT, WIDTH, 4))
        inside = labels == chosen[0]
        true("opaque where chosen, clear elsewhere", numpy.array_equal(cut[..., 3] == 255, inside))
        own = numpy.asarray(Image.open(path).convert("RGB"))
        true("the photo's own pixels",
             numpy.abs(cut[..., :3][inside].astype(int) - own[inside]).max() <= 2)  # two JPEG decoders


main(a_large_photo_is_shown_small_and_cut_out_at_full_size)
