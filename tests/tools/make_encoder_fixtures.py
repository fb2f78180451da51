"""Makes tests/data/encoders: tiny image encoders with random weights, and what transformers and open_clip compute.

Not part of any test run: torch, transformers, open_clip_torch and safetensors are needed. The files were made with torch
2.15.0, transformers 5.24.0 and open_clip 3.3.0 on the CPU in float32.

    python make_encoder_fixtures.py OUT_DIR [GOLDEN_DIR]

GOLDEN_DIR is the folder with the larger golden models, of which the image encoders are taken, too.
"""
import json
import os
import shutil
import sys

import numpy
import torch
from safetensors.torch import load_file, save_file

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
OPENAI = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def fill(model, seed):
    """Weights whose activations stay near 1 from layer to layer, so that every one of them matters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 0:
                continue
            if "norm" in name.lower() or ".ln_" in name or name.startswith("ln_"):
                p.normal_(1.0 if name.endswith("weight") else 0.0, 0.2)
            elif "lambda" in name:
                p.normal_(0.8, 0.3)
            elif p.dim() >= 2 and "embed" not in name and "token" not in name and "positional" not in name:
                p.normal_(0.0, 1.2 / numpy.sqrt(p[0].numel()))
            else:
                p.normal_(0.0, 0.4)
    return model.eval()


def picture(h, w, seed):
    """Smooth shapes with some noise."""
    rng = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:h, 0:w]
    layers = [numpy.sin(x / (3 + k) + seed) * numpy.cos(y / (5 + k)) * 90 + 128 for k in range(3)]
    noisy = numpy.stack(layers, -1) + rng.normal(0, 12, (h, w, 3))
    return numpy.clip(noisy, 0, 255).astype(numpy.uint8)


def pixels(u8, norm):
    x = torch.from_numpy(u8.copy()).float().permute(2, 0, 1)[None] / 255.0
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in norm)
    return (x - mean) / std


def write(folder, golden):
    save_file({k: v.detach().clone().contiguous() for k, v in golden.items()}, os.path.join(folder, "golden.safetensors"))


def fresh(out, name):
    path = os.path.join(out, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


@torch.no_grad()
def transformer(out, name, model, seed, norm, sizes, before, interpolate):
    folder = fresh(out, name)
    fill(model, seed).save_pretrained(folder, safe_serialization=True)
    golden = {}
    for t, (h, w) in sizes.items():
        u8 = picture(h, w, seed + ord(t))
        extra = {"interpolate_pos_encoding": True} if interpolate else {}
        o = model(pixel_values=pixels(u8, norm), output_hidden_states=True, **extra)
        golden[t + ".image_u8"] = torch.from_numpy(u8)
        golden.update({f"{t}.hidden_states.{i}": s for i, s in enumerate(o.hidden_states)})
        golden[t + ".last_hidden_state"] = o.last_hidden_state
        golden[t + ".patch_tokens"] = o.last_hidden_state[:, before:]
    write(folder, golden)


def registers(out):
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel
    config = Dinov2WithRegistersConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=3, image_size=56, patch_size=14,
                                       num_register_tokens=3, use_swiglu_ffn=True)
    transformer(out, "registers", Dinov2WithRegistersModel(config), 11, IMAGENET, {"a": (56, 56), "b": (42, 98)}, 4, False)


def plain(out):
    from transformers import ViTConfig, ViTModel
    config = ViTConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, image_size=48, patch_size=16, qkv_bias=False)
    transformer(out, "vit", ViTModel(config, add_pooling_layer=False), 12, IMAGENET, {"a": (48, 48), "b": (64, 32)}, 1, True)


def texts(vocabulary, length):
    """Rows of ids: start, words, end (the largest), padding."""
    rng = numpy.random.default_rng(5)
    rows = []
    for words in (0, 3, length - 2, 1, 3):
        body = rng.integers(1, vocabulary - 2, words)
        rows.append(numpy.concatenate([[vocabulary - 2], body, [vocabulary - 1], numpy.zeros(length - 2 - words, int)]))
    return torch.from_numpy(numpy.stack(rows).astype(numpy.int64))


@torch.no_grad()
def clip(out):
    """Both towers, in float16, in shards."""
    from transformers import CLIPConfig, CLIPModel
    folder = fresh(out, "clip")
    text = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=40, max_position_embeddings=12,
                hidden_act="quick_gelu", bos_token_id=38, eos_token_id=39, pad_token_id=0)
    vision = dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=3, image_size=32, patch_size=8, hidden_act="quick_gelu")
    model = fill(CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)), 13).half().float()
    model.half().save_pretrained(folder, safe_serialization=True, max_shard_size="30KB")
    model.float()
    golden = {}
    for t, (h, w) in {"a": (32, 32), "b": (24, 56)}.items():
        u8 = picture(h, w, 13 + ord(t))
        x = pixels(u8, OPENAI)
        o = model.vision_model(pixel_values=x, output_hidden_states=True, interpolate_pos_encoding=True)
        golden[t + ".image_u8"] = torch.from_numpy(u8)
        golden[t + ".patch_tokens"] = o.last_hidden_state[:, 1:]
        golden[t + ".image_embeds"] = model.visual_projection(o.pooler_output)
        last = model.vision_model.encoder.layers[-1]
        values = last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(o.hidden_states[-2])))
        dense = model.visual_projection(model.vision_model.post_layernorm(values))[:, 1:]
        golden[t + ".keys"] = last.self_attn.k_proj(last.layer_norm1(o.hidden_states[-2]))[:, 1:]
        golden[t + ".dense_embedding"] = dense.reshape(1, h // 8, w // 8, -1).permute(0, 3, 1, 2)
    ids = texts(40, 12)
    golden["text.ids"] = ids.int()
    golden["text.embedding"] = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    golden["logit_scale_exp"] = model.logit_scale.exp().reshape(1)
    write(folder, golden)


@torch.no_grad()
def open_clip_vit(out):
    import open_clip
    folder = fresh(out, "open-clip-vit")
    vision = dict(image_size=32, layers=2, width=24, head_width=8, patch_size=8, mlp_ratio=2.0)
    text = dict(context_length=12, vocab_size=40, width=16, heads=2, layers=2)
    model = fill(open_clip.CLIP(embed_dim=12, vision_cfg=vision, text_cfg=text, quick_gelu=True), 14)
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if k != "attn_mask"}, os.path.join(folder, "open_clip_model.safetensors"))
    with open(os.path.join(folder, "open_clip_config.json"), "w") as f:
        json.dump({"model_cfg": {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text, "quick_gelu": True}, "preprocess_cfg": {"mean": OPENAI[0], "std": OPENAI[1]}}, f, indent=1)
    u8 = picture(32, 32, 14)
    ids = texts(40, 12)
    write(folder, {"a.image_u8": torch.from_numpy(u8), "a.image_embeds": model.encode_image(pixels(u8, OPENAI)), "text.ids": ids.int(),
                   "text.embedding": model.encode_text(ids), "logit_scale_exp": model.logit_scale.exp().reshape(1)})


def smaller(out, golden_dir, name):
    """A larger golden model as it is, without the normalised pixels, which the bytes give."""
    source = os.path.join(golden_dir, "tiny-" + name)
    folder = fresh(out, name)
    for file in ("config.json", "model.safetensors"):
        shutil.copyfile(os.path.join(source, file), os.path.join(folder, file))
    golden = load_file(os.path.join(source, "golden.safetensors"))
    write(folder, {k: v for k, v in golden.items() if not k.endswith("pixel_values")})


def convnext(out, golden_dir):
    """The image's part of a larger golden model."""
    source = os.path.join(golden_dir, "tiny-convnext-clip")
    folder = fresh(out, "convnext")
    weights = load_file(os.path.join(source, "open_clip_model.safetensors"))
    save_file({k: v for k, v in weights.items() if k.startswith("visual.") or k == "logit_scale"}, os.path.join(folder, "open_clip_model.safetensors"))
    golden = load_file(os.path.join(source, "golden.safetensors"))
    write(folder, {k: v for k, v in golden.items() if not k.startswith("text.") and not k.endswith("pixel_values")})
    with open(os.path.join(source, "open_clip_config.json")) as f:
        config = json.load(f)
    del config["trunk_args"]
    with open(os.path.join(folder, "open_clip_config.json"), "w") as f:
        json.dump(config, f, indent=1)


if __name__ == "__main__":
    for make in (registers, plain, clip, open_clip_vit):
        make(sys.argv[1])
    if len(sys.argv) > 2:
        convnext(sys.argv[1], sys.argv[2])
        for name in ("dinov2", "clip-vision", "siglip-vision"):
            smaller(sys.argv[1], sys.argv[2], name)
