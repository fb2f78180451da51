"""Compares our decoders with Pillow's on pictures that Pillow writes and on the photos named.

check_decoders.py WRITE_OUTPUTS FOLDER [PHOTO...] - exits 77 when a package is missing, 1 at the first difference.
"""
import os
import subprocess
import sys

try:
    import numpy as np
    from PIL import Image, ImageOps
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def picture(mode, size=(83, 61)):
    """Smooth colours with a hard edge, in any mode."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 255 // (width + height - 2),
                np.where(x > y, 255, 60)]
    return Image.merge("RGBA", [Image.fromarray(c.astype(np.uint8)) for c in channels]).convert(mode)


def write_pictures(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    makes = {
        "base.jpg": (picture("RGB"), {"quality": 90}),
        "progressive.jpg": (picture("RGB"), {"quality": 75, "progressive": True}),
        "subsampled.jpg": (picture("RGB"), {"quality": 60, "subsampling": 2}),
        "grey.jpg": (picture("L"), {}),
        "turned.jpg": (picture("RGB"), {"exif": exif}),
        "cmyk.jpg": (picture("RGB").convert("CMYK"), {"quality": 95}),
        "rgb.png": (picture("RGB"), {}),
        "rgba.png": (picture("RGBA"), {}),
        "la.png": (picture("LA"), {}),
        "palette.png": (picture("RGB").quantize(37), {}),
        "palette_alpha.png": (picture("RGB").quantize(12), {"transparency": bytes(range(0, 240, 20))}),
        "bilevel.png": (picture("1"), {}),
        "grey16.png": (Image.fromarray((np.arange(83 * 61, dtype=np.uint16) * 13).reshape(61, 83)), {}),
        "lossy.webp": (picture("RGB"), {"quality": 80}),
        "lossless.webp": (picture("RGBA"), {"lossless": True, "exact": True}),
        "lossy_alpha.webp": (picture("RGBA"), {"quality": 80}),
        "turned.webp": (picture("RGB"), {"lossless": True, "exif": exif}),
    }
    for name, (image, options) in makes.items():
        image.save(os.path.join(folder, name), **options)
    return [os.path.join(folder, name) for name in makes]


def expected(path):
    image = Image.open(path)
    if image.mode.startswith("I"):
        grey = ((np.array(image).astype(np.int64) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    image = ImageOps.exif_transpose(image)
    if image.mode == "CMYK":
        inks = 255.0 - np.array(image)
        return np.round(inks[..., :3] * inks[..., 3:] / 255).astype(np.uint8)
    rgba = np.array(image.convert("RGBA")).astype(np.float64)
    alpha = rgba[..., 3:] / 255
    return np.floor(rgba[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)


def main():
    program, folder = sys.argv[1:3]
    os.makedirs(folder, exist_ok=True)
    paths = write_pictures(folder) + sys.argv[3:]
    for path in paths:
        out = os.path.join(folder, "decoded.ppm")
        subprocess.run([program, "decode", path, out], check=True)
        got, wanted = np.array(Image.open(out)).astype(int), expected(path).astype(int)
        if got.shape != wanted.shape:
            sys.exit(f"{path}: {got.shape}, not {wanted.shape}")
        worst = np.unravel_index(np.abs(got - wanted).argmax(), got.shape)
        # Another build of the JPEG or WebP library may round its transform and upsampling by a step or two.
        tolerance = 0 if path.endswith(".png") else 2
        if abs(got[worst] - wanted[worst]) > tolerance:
            sys.exit(f"{path}: at {worst} {got[worst]}, not {wanted[worst]}")
    print(f"{len(paths)} pictures decode as Pillow decodes them")


main()
