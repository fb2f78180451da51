"""Names a photo's segments with open_clip from PyPI and compares with `diffcut label`, on the golden ConvNeXt CLIP.

    pip install torch open_clip_torch timm Pillow      (in an environment of its own)
    python3 check_open_clip.py DIFFCUT GOLDEN_MODELS [PHOTO]

Run by hand: torch is too large for the default tests. open_clip computes everything here, from the photo's resized
pixels over the trunk's dense map and the heads to the texts of all 14 templates; only the segments are DiffCut's own.
"""
import json
import os
import subprocess
import sys
import tempfile
from unittest import mock

import numpy
import open_clip
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from timm.models.convnext import ConvNeXt

CLASSES = "sky,tree,dog|puppy,person|man|woman,table,cup of coffee"
TEMPLATES = ["a photo of a {}.", "This is a photo of a {}", "There is a {} in the scene",
             "There is the {} in the scene", "a photo of a {} in the scene", "a photo of a small {}.",
             "a photo of a medium {}.", "a photo of a large {}.", "This is a photo of a small {}.",
             "This is a photo of a medium {}.", "This is a photo of a large {}.", "There is a small {} in the scene.",
             "There is a medium {} in the scene.", "There is a large {} in the scene."]
SIZE = 256
TOLERANCE = 2e-4


def open_tiny(folder):
    """open_clip's own model class, its trunk at the golden checkpoint's widths."""
    with open(f"{folder}/open_clip_config.json", encoding="utf-8") as file:
        config = json.load(file)
    trunk = config["trunk_args"]

    def create(_, pretrained=False, **arguments):
        made = ConvNeXt(depths=tuple(trunk["depths"]), dims=tuple(trunk["dims"]), **arguments)
        made.default_cfg = {"pool_size": (7, 7)}
        return made

    with mock.patch("timm.create_model", create):
        cfg = config["model_cfg"]
        model = open_clip.CLIP(embed_dim=cfg["embed_dim"], vision_cfg=cfg["vision_cfg"], text_cfg=cfg["text_cfg"])
    missing, unexpected = model.load_state_dict(load_file(f"{folder}/open_clip_model.safetensors"), strict=False)
    assert not unexpected and set(missing) <= {"attn_mask"}, (missing, unexpected)
    return model.eval(), config["preprocess_cfg"]


@torch.no_grad()
def text_classifier(model):
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    out = []
    for names in CLASSES.split(","):
        rows = [model.encode_text(tokenizer([t.format(name) for t in TEMPLATES]), normalize=True).mean(0)
                for name in names.split("|")]
        out.append(torch.nn.functional.normalize(torch.stack(rows), dim=-1))
    return out


@torch.no_grad()
def segment_embedding(model, dense, mask):
    """The dense map's mean over a segment, then the trunk's head and the projection, as the paper's code has it."""
    rows, columns = dense.shape[-2:]
    share = torch.nn.functional.adaptive_avg_pool2d(mask[None, None].float(), (rows, columns))
    mean = (dense * share).sum((2, 3), keepdim=True) / share.sum()
    return torch.nn.functional.normalize(model.visual.head(model.visual.trunk.head(mean)), dim=-1)[0]


def main(diffcut, models, photo=None):
    folder = f"{models}/tiny-convnext-clip"
    model, preprocess = open_tiny(folder)
    worst = 0
    with tempfile.TemporaryDirectory() as work:
        for source in (f"{folder}/open_clip_config.json", f"{folder}/open_clip_model.safetensors",
                       f"{models}/clip-tokenizer/vocab.json", f"{models}/clip-tokenizer/merges.txt"):
            os.symlink(os.path.abspath(source), f"{work}/{os.path.basename(source)}")
        picture = Image.open(photo) if photo else Image.fromarray(
            load_file(f"{folder}/golden.safetensors")["a.image_u8"].numpy())
        # At the encoder's size already, so that no resampling but the identity is between the two programs.
        picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(f"{work}/photo.png")
        cut = [f"{work}/photo.png", "-q", "--no-refine", "--tau", "0.6"]
        subprocess.run([diffcut, "segment", *cut, "-o", f"{work}/segments"], check=True)
        subprocess.run([diffcut, "label", *cut, "-o", f"{work}/names", "--clip", work, "--clip-size", str(SIZE),
                        "--no-names-cache", "--classes", CLASSES], check=True)
        segments = torch.from_numpy(numpy.array(Image.open(f"{work}/segments/photo.png"))).long()
        pixels = numpy.array(Image.open(f"{work}/photo.png"))
        with open(f"{work}/names/photo.json", encoding="utf-8") as file:
            summary = json.load(file)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    image = (image - torch.tensor(preprocess["mean"]).view(1, 3, 1, 1)) / torch.tensor(preprocess["std"]).view(1, 3, 1, 1)
    with torch.no_grad():
        dense = model.visual.trunk.forward_features(image)
    classes = text_classifier(model)
    for segment in summary["segments"]:
        unit = segment_embedding(model, dense, segments == segment["label"])
        cosines = [float((rows @ unit).max()) for rows in classes]
        found = {match["class"]: match["cosine"] for match in segment["top"]}
        error = max(abs(cosines[c] - value) for c, value in found.items())
        worst = max(worst, error)
        best = max(range(len(cosines)), key=lambda c: cosines[c])
        assert error < TOLERANCE, (segment["label"], found, cosines)
        assert segment["class"] == best, (segment, cosines)
    print(f"{len(summary['segments'])} segments have open_clip {open_clip.__version__}'s classes "
          f"{sorted({s['class'] for s in summary['segments']})}; cosines differ by {worst:.1e} at most "
          f"(timm {timm.__version__}, torch {torch.__version__})")


if __name__ == "__main__":
    main(*sys.argv[1:])
