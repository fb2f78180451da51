"""Makes the fuzzers' first inputs again: one small file of each kind. Needs numpy and Pillow; run in this folder."""
import numpy as np
from PIL import Image

y, x = np.mgrid[0:9, 0:13]
picture = Image.fromarray(np.stack([x * 19, y * 28, x * y * 2], axis=-1).astype(np.uint8))
alpha = picture.convert("RGBA")
alpha.putalpha(Image.fromarray((x * 19).astype(np.uint8)))
exif = Image.Exif()
exif[0x0112] = 6

picture.save("image/base.jpg", quality=70)
picture.save("image/progressive.jpg", progressive=True, exif=exif)
picture.convert("L").save("image/grey.jpg")
picture.convert("CMYK").save("image/cmyk.jpg")
picture.save("image/rgb.png", exif=exif)
alpha.save("image/rgba.png")
picture.quantize(7).save("image/palette.png", transparency=bytes([0, 100, 200]))
Image.fromarray((x * y * 500).astype(np.uint16)).save("image/grey16.png")
picture.save("image/lossy.webp", quality=50, exif=exif)
alpha.save("image/lossless.webp", lossless=True)
alpha.save("image/lossy_alpha.webp", quality=50)
picture.save("image/animated.webp", save_all=True, append_images=[picture.rotate(180)])

for name, dtype in (("f2", "<f2"), ("f4", "<f4"), ("f8", "<f8")):
    np.save(f"npy/{name}.npy", (np.arange(24) / 3).reshape(2, 3, 4).astype(dtype))
np.save("npy/tokens.npy", np.ones((9, 2), dtype="<f4"))
np.save("npy/fortran.npy", np.asfortranarray(np.ones((2, 2, 3), dtype="<f4")))
with open("npy/version2.npy", "wb") as file:
    np.lib.format.write_array(file, np.ones((2, 2, 1), dtype="<f4"), version=(2, 0))
picture.quantize(7).save("npy/labels.png")
picture.convert("1").save("npy/bilevel.png")
Image.fromarray((x * y * 500).astype(np.uint16)).save("npy/labels16.png")
