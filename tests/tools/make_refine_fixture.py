"""Makes tests/data/refine/refine.safetensors: what PyTorch gives for a drawn picture, resized and refined, and for
random features assigned.

usage: make_refine_fixture.py OUT.safetensors      (needs torch and numpy)"""
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
from pamr_torch import refine  # noqa: E402

DTYPES = {"float32": "F32", "int32": "I32", "uint8": "U8"}


def save(path, tensors):
    header, blob = {}, b""
    for name, array in tensors.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


def drawing(height, width):
    """Two soft shapes on a slope, with a little texture: (height, width, 3) uint8."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    disc = 1 / (1 + np.exp(np.hypot(y - height * 0.45, x - width * 0.3) - height * 0.25))
    band = 1 / (1 + np.exp(-(x + 0.4 * y - width * 0.85) / 1.5))
    texture = ((x * 7 + y * 13) % 11) / 11
    rgb = np.stack([60 + 150 * disc + 10 * texture, 90 + x + 80 * band, 170 - 2 * y + 30 * band * texture], -1)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def labels_of(height, width):
    """A rough guess of the drawing's segments, in blocks of 4: labels 0, 2, 5 (1, 3 and 4 do not occur)."""
    y, x = (v // 4 * 4 + 2 for v in np.mgrid[0:height, 0:width])
    labels = np.zeros((height, width), np.int32)
    labels[np.hypot(y - height * 0.45, x - width * 0.3) < height * 0.25] = 2
    labels[x + 0.4 * y > width * 0.85] = 5
    return labels


def median_filter(labels, side):
    """scipy.ndimage.median_filter(labels, side, mode="reflect"), whose border numpy calls symmetric."""
    padded = np.pad(labels, side // 2, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return np.median(windows, axis=(2, 3)).astype(labels.dtype)


def resized(tensors, image):
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    for height, width in ((17, 23), (48, 20), (90, 131), (40, 56), (1, 1), (7, 200)):
        for name, antialias in (("bilinear", False), ("antialias", True)):
            y = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False, antialias=antialias)
            tensors[f"{name}_{height}x{width}"] = y[0].permute(1, 2, 0).numpy()


def refined(tensors, name, image, labels, dilations, iterations):
    x = torch.from_numpy(image).permute(2, 0, 1).double() / 255
    numbers = np.unique(labels)
    masks = torch.stack([torch.from_numpy(labels == k).double() for k in numbers])
    masks = F.interpolate(masks[None], size=image.shape[:2], mode="bilinear", align_corners=True)[0]
    soft = refine(x, masks, dilations, iterations)
    best = soft.topk(2, 0).values
    hard = numbers[soft.argmax(0).numpy()].astype(np.int32)
    tensors[name + "_soft"] = soft.float().numpy()
    tensors[name + "_hard"] = hard
    tensors[name + "_ambiguous"] = (best[0] - best[1] < 2e-5).numpy().astype(np.uint8)
    tensors[name + "_median3"] = median_filter(hard, 3)
    tensors[name + "_median7"] = median_filter(hard, 7)


def assigned(tensors):
    generator = torch.Generator().manual_seed(5)
    h, w, c = 9, 12, 32
    tokens = (torch.arange(h)[:, None] * 3 // h * 4 + torch.arange(w)[None] * 4 // w * 3).int()
    base = torch.randn(24, c, generator=generator)
    features = base[tokens.long()] + 0.8 * torch.randn(h, w, c, generator=generator)
    unit = F.normalize(features.double(), dim=-1)
    numbers = tokens.unique()
    means = torch.stack([unit[tokens == k].mean(0) for k in numbers])
    for height, width in ((70, 51), (6, 30)):
        up = F.interpolate(unit.permute(2, 0, 1)[None], size=(height, width), mode="bilinear", align_corners=False)[0]
        scores = torch.einsum("kc,chw->khw", means, up)
        best = scores.topk(2, 0).values
        tensors[f"assigned_{height}x{width}"] = numbers[scores.argmax(0)].numpy()
        tensors[f"assigned_ambiguous_{height}x{width}"] = (best[0] - best[1] < 1e-5).numpy().astype(np.uint8)
    tensors["features"], tensors["tokens"], tensors["means"] = features.numpy(), tokens.numpy(), means.float().numpy()


def main(path):
    image, labels = drawing(40, 56), labels_of(40, 56)
    tensors = {"image": image, "labels": labels, "labels_small": labels[2::4, 2::4].copy()}
    resized(tensors, image)
    refined(tensors, "eval", image, labels, [1, 2, 4, 8], 10)
    refined(tensors, "wide", image, labels, [1, 2, 4, 8, 12, 24, 32, 64], 15)
    refined(tensors, "far", image, labels, [3, 80, 200], 4)
    refined(tensors, "small", image, tensors["labels_small"], [1, 2, 4, 8], 10)
    assigned(tensors)
    save(path, tensors)


if __name__ == "__main__":
    main(sys.argv[1])
