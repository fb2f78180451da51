"""PyTorch's side of encoders_compare.sh: makes checkpoints of random full-size weights, and times the same encoders.

    encoders_torch.py make DIR            convnext-large-d-320 (open_clip) and dinov2-large (transformers), once
    encoders_torch.py convnext DIR SIDE   seconds of a dense map, the best of PyTorch's ways
    encoders_torch.py dinov2 DIR SIDE     seconds of the patch tokens, the same
    encoders_torch.py texts DIR           seconds of 150 classes x 14 templates
"""
import json
import os
import sys
import time

import torch

VISION = dict(timm_model_name="convnext_large", timm_model_pretrained=False, timm_pool="", timm_proj="mlp", timm_drop=0.0, timm_drop_path=0.1, image_size=320)
TEXT = dict(context_length=77, vocab_size=49408, width=768, heads=12, layers=16)


def clip():
    import open_clip
    return open_clip.CLIP(embed_dim=768, vision_cfg=VISION, text_cfg=TEXT).eval()


def dinov2():
    from transformers import Dinov2Config, Dinov2Model
    config = Dinov2Config(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, image_size=518, patch_size=14)
    return Dinov2Model(config).eval()


def make(folder):
    from safetensors.torch import save_file
    torch.manual_seed(0)
    target = os.path.join(folder, "dinov2-large")
    if not os.path.exists(os.path.join(target, "model.safetensors")):
        dinov2().save_pretrained(target, safe_serialization=True)
    target = os.path.join(folder, "convnext-large-d-320")
    weights = os.path.join(target, "open_clip_model.safetensors")
    if not os.path.exists(weights):
        os.makedirs(target, exist_ok=True)
        state = {k: v.contiguous() for k, v in clip().state_dict().items() if k != "attn_mask"}
        with open(os.path.join(target, "open_clip_config.json"), "w") as f:
            json.dump({"model_cfg": {"embed_dim": 768, "vision_cfg": VISION, "text_cfg": TEXT}}, f)
        save_file(state, weights)


def seconds(run, repeats=2):
    run()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


@torch.inference_mode()
def ways(model, x, forward):
    """Plain float32, channels last, and bfloat16: whatever is fastest on this processor counts."""
    found = {"f32": seconds(lambda: forward(model, x))}
    if "convnext" in sys.argv:
        last = model.to(memory_format=torch.channels_last)
        found["f32 channels_last"] = seconds(lambda: forward(last, x.to(memory_format=torch.channels_last)))
    if "--bf16" in sys.argv:
        half = model.to(torch.bfloat16)
        found["bf16"] = seconds(lambda: forward(half, x.to(torch.bfloat16)), 1)
    way = min(found, key=found.get)
    sys.stderr.write("  PyTorch: " + ", ".join(f"{k} {v:.2f} s" for k, v in found.items()) + "\n")
    print(f"{found[way]:.3f}")


@torch.inference_mode()
def texts():
    import open_clip
    lines = [line.rstrip("\n") for line in sys.stdin]
    model = clip()
    ids = open_clip.SimpleTokenizer(context_length=77)(lines)
    start = time.perf_counter()
    for i in range(0, len(lines), 128):
        model.encode_text(ids[i:i + 128])
    print(f"{time.perf_counter() - start:.3f}")


if __name__ == "__main__":
    what = sys.argv[1]
    if what == "make":
        make(sys.argv[2])
    elif what == "texts":
        texts()
    else:
        side = int(sys.argv[3])
        image = torch.rand(1, 3, side, side)
        if what == "convnext":
            ways(clip().visual.trunk, image, lambda m, x: m.forward_features(x))
        else:
            from transformers import Dinov2Model
            model = Dinov2Model.from_pretrained(os.path.join(sys.argv[2], "dinov2-large")).eval()
            ways(model, image, lambda m, x: m(pixel_values=x).last_hidden_state)
