"""Makes the fuzzers' first inputs again: one small file of each kind. Needs numpy and Pillow; run in this folder."""
import io
import json
import struct
import tarfile

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

for form in ("USTAR", "GNU", "PAX"):
    with tarfile.open(f"tar/{form.lower()}.tar", "w", format=getattr(tarfile, form + "_FORMAT")) as archive:
        for member, data in (("a.png", b"x" * 700), ("d/b.json", b"{}"), ("e" * (60 if form == "USTAR" else 200), b"y")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE):
            info = tarfile.TarInfo("other")
            info.type = kind
            archive.addfile(info)


# Index of shards, a cache's name, and single files of weights: one tensor of each kind of name, all zero.
def safetensors(path, tensors):
    header, offset = {}, 0
    for name, shape in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(offset))


def unet(width, rank):
    name = "model.diffusion_model."
    resnet = [("in_layers.0.weight", [1]), ("in_layers.2.weight", [width, 1, 1, 1])]
    attention = [("proj_in.weight", [1] * rank), ("transformer_blocks.0.norm1.weight", [1]),
                 ("transformer_blocks.0.attn2.to_k.weight", [1, 3])]
    blocks = {"input_blocks.0.0.": [("weight", [1, 4, 1, 1])], "input_blocks.1.0.": resnet,
              "input_blocks.1.1.": attention, "input_blocks.2.0.": [("op.weight", [1, 1, 1, 1])],
              "middle_block.0.": resnet, "output_blocks.0.0.": resnet, "output_blocks.0.1.": [("conv.weight", [1])]}
    return [(name + block + key, shape) for block, keys in blocks.items() for key, shape in keys]


autoencoder = [("encoder.conv_in.weight", [1, 3, 1, 1]), ("encoder.conv_out.weight", [8, 1, 1, 1]),
               ("encoder.down.0.block.0.conv1.weight", [32, 1, 1, 1]), ("decoder.up.0.block.0.norm1.weight", [1]),
               ("encoder.mid.attn_1.q.weight", [1, 1, 1, 1]), ("encoder.mid.block_1.norm1.weight", [1])]
first_stage = [("first_stage_model." + key, shape) for key, shape in autoencoder]
clip = [("embeddings.token_embedding.weight", [1, 64]), ("embeddings.position_embedding.weight", [1, 64]),
        ("encoder.layers.0.mlp.fc1.weight", [1, 64]), ("encoder.layers.0.layer_norm1.weight", [1])]
open_clip = [("token_embedding.weight", [1, 64]), ("positional_embedding", [1, 64]), ("text_projection", [2, 3]),
             ("transformer.resblocks.0.attn.in_proj_weight", [3, 2]),
             ("transformer.resblocks.0.mlp.c_fc.weight", [1, 64]), ("transformer.resblocks.0.ln_1.weight", [1])]
safetensors("single/sd1", unet(32, 4) + first_stage +
            [("cond_stage_model.transformer.text_model." + key, shape) for key, shape in clip])
safetensors("single/sdxl", unet(64, 2) + first_stage + [("model.diffusion_model.label_emb.0.0.weight", [1, 9])] +
            [("conditioner.embedders.1.model." + key, shape) for key, shape in open_clip])
safetensors("single/vae", autoencoder)
safetensors("single/taesd", [("0.weight", [2, 3, 1, 1]), ("0.bias", [2]), ("1.conv.0.weight", [2, 2, 1, 1]),
                             ("2.weight", [2, 2, 1, 1]), ("3.conv.0.weight", [2, 2, 1, 1]),
                             ("4.weight", [4, 2, 1, 1]), ("4.bias", [4])])
with open("index/two", "w") as file:
    json.dump({"metadata": {"total_size": 1}, "weight_map": {"a.weight": "m-00001-of-00002.safetensors",
                                                             "b.weight": "m-00002-of-00002.safetensors"}}, file)
with open("index/name", "w") as file:
    file.write("org/name@refs/pr/1")
with open("vocabulary/list", "wb") as file:
    file.write("\ufeff# mine\r\nsky\r\ndog | puppy\ncafé\nvoid\n".encode())
with open("vocabulary/templates", "wb") as file:
    file.write(b"a photo of a {}.\n{}\n")
with open("vocabulary/utf16", "wb") as file:
    file.write("sk".encode("utf-16"))
