"""The refinement (PAMR) as a PyTorch program: what bench_refine is compared with, and where fixtures come from.

Each neighbour is a shifted view of the replicate-padded array; weights are a softmax over the stacked neighbours.

usage: pamr_torch.py [--side 1024] [--segments 10] [--iterations 10] [--dilations 1,2,4,8] [--threads 2] [--repeat 3]
                     [--summed]

Prints one JSON line with the best time in seconds, by the clock and by the processor time of all threads."""
import argparse
import json
import time

import torch
import torch.nn.functional as F

EIGHT = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def shifted(x, dilation, steps):
    """x (c, h, w) to (steps, c, h, w): the samples at `dilation` in the given directions, edges repeated."""
    _, h, w = x.shape
    d = dilation
    padded = F.pad(x[None], (d, d, d, d), mode="replicate")[0]
    return torch.stack([padded[:, d + dy * d:d + dy * d + h, d + dx * d:d + dx * d + w] for dy, dx in steps])


def weights(image, dilations):
    """image (3, h, w) in 0..1 to (8 * dilations, h, w)."""
    around = torch.cat([shifted(image, d, EIGHT) for d in dilations])
    every = torch.cat([shifted(image, d, EIGHT + [(0, 0)]) for d in dilations])
    sigma = every.std(0, unbiased=True)
    logits = -(around - image).abs() / (1e-8 + 0.1 * sigma)
    return logits.mean(1).softmax(0)


def refine(image, masks, dilations, iterations):
    """masks (k, h, w) to the same, refined."""
    w = weights(image, dilations)
    for _ in range(iterations):
        masks = (torch.cat([shifted(masks, d, EIGHT) for d in dilations]) * w[:, None]).sum(0)
    return masks


def refine_summed(image, masks, dilations, iterations):
    """The same without the stack of all neighbours' masks: kinder to memory, the faster of the two."""
    w = weights(image, dilations)
    _, height, width = masks.shape
    for _ in range(iterations):
        total = torch.zeros_like(masks)
        for i, d in enumerate(dilations):
            padded = F.pad(masks[None], (d, d, d, d), mode="replicate")[0]
            for j, (dy, dx) in enumerate(EIGHT):
                y, x = d + dy * d, d + dx * d
                total.addcmul_(padded[:, y:y + height, x:x + width], w[8 * i + j])
        masks = total
    return masks


def striped_photo(side):
    """A deterministic picture of soft shapes and texture, (3, side, side) in 0..1; bench_refine.c draws the same."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    value = (x * 7 + y * 13 + (x * y) // 97) % 256
    patch = ((x * 5) // side + (y * 4) // side * 5) * 37 % 256
    rgb = torch.stack([(patch + value // 8) % 256, (patch * 3 + value // 6) % 256, (patch * 5 + value // 10) % 256])
    return rgb.float() / 255


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--segments", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--dilations", default="1,2,4,8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--summed", action="store_true", help="add neighbour by neighbour instead of stacking them")
    options = parser.parse_args()
    run = refine_summed if options.summed else refine
    torch.set_num_threads(options.threads)
    side, dilations = options.side, [int(d) for d in options.dilations.split(",")]
    image = striped_photo(side)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    labels = ((x * 5) // side + (y * 4) // side * 5) % options.segments
    masks = F.one_hot(labels, options.segments).permute(2, 0, 1).float()
    best, best_cpu = float("inf"), float("inf")
    with torch.inference_mode():
        for _ in range(options.repeat):
            start, start_cpu = time.perf_counter(), time.process_time()
            run(image, masks, dilations, options.iterations).argmax(0)
            best = min(best, time.perf_counter() - start)
            best_cpu = min(best_cpu, time.process_time() - start_cpu)
    print(json.dumps({"what": "pamr in PyTorch " + torch.__version__, "side": side, "segments": options.segments,
                      "iterations": options.iterations, "summed": options.summed, "dilations": dilations, "threads": options.threads,
                      "seconds": round(best, 4),
                      "processor_seconds": round(best_cpu, 4)}))


if __name__ == "__main__":
    main()
