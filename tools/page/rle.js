/*
 * rle.js - a label map as COCO annotations, as the library's diffcut_encode_coco_json writes them: run lengths by
 * columns, compressed as pycocotools reads them (src/io/rle.c says how).
 */

// Groups of 5 bits, low first, until what is left is the last group's sign all over.
function appendNumber(value, characters) {
    let more = true;
    while (more) {
        const group = value & 31;
        value >>= 5;
        more = value !== ((group & 16) !== 0 ? -1 : 0);
        characters.push(String.fromCharCode(48 + group + (more ? 32 : 0)));
    }
}

// From the fourth on, a run length is written as its difference to the one two before. A length has less than 2^31.
function compressRuns(lengths) {
    const characters = [];
    lengths.forEach((length, i) => appendNumber(i > 2 ? length - lengths[i - 2] : length, characters));
    return characters.join("");
}

// For each label: its runs [start, length, start, length, ...] in column-major positions.
function findRuns(labels, width, height, count) {
    const runs = Array.from({ length: count }, () => []);
    let last = -1;
    let start = 0;
    let position = 0;
    for (let x = 0; x < width; x++) {
        for (let y = 0, i = x; y < height; y++, i += width, position++) {
            if (labels[i] !== last) {
                if (last >= 0) {
                    runs[last].push(start, position - start);
                }
                last = labels[i];
                start = position;
            }
        }
    }
    if (last >= 0) {
        runs[last].push(start, position - start);
    }
    return runs;
}

// Run lengths of the mask, beginning with the zeros before it.
function maskLengths(runs, pixels) {
    const lengths = [];
    let covered = 0;
    for (let i = 0; i < runs.length; i += 2) {
        lengths.push(runs[i] - covered, runs[i + 1]);
        covered = runs[i] + runs[i + 1];
    }
    if (covered < pixels) {
        lengths.push(pixels - covered);
    }
    return lengths;
}

function boundingBox(runs, height) {
    let top = height, bottom = 0, left = Infinity, right = 0, area = 0;
    for (let i = 0; i < runs.length; i += 2) {
        const start = runs[i];
        const end = start + runs[i + 1] - 1;
        const first = Math.floor(start / height);
        const last = Math.floor(end / height);
        area += runs[i + 1];
        left = Math.min(left, first);
        right = Math.max(right, last);
        top = first === last ? Math.min(top, start % height) : 0;
        bottom = first === last ? Math.max(bottom, end % height) : height - 1;
    }
    return { area, bbox: [left, top, right - left + 1, bottom - top + 1] };
}

// skip: (count) 1 for labels that are left out, or null.
export function cocoJson(labels, width, height, count, fileName, skip) {
    const annotations = findRuns(labels, width, height, count).flatMap((runs, label) => {
        if (runs.length === 0 || skip?.[label]) {
            return [];
        }
        const { area, bbox } = boundingBox(runs, height);
        const counts = compressRuns(maskLengths(runs, width * height));
        return [{ id: label + 1, image_id: 1, category_id: 1, iscrowd: 0, area, bbox,
                  segmentation: { size: [height, width], counts } }];
    });
    return JSON.stringify({
        images: [{ id: 1, width, height, file_name: fileName }],
        annotations,
        categories: [{ id: 1, name: "segment", supercategory: "segment" }],
    }) + "\n";
}
