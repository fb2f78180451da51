/*
 * export_worker.js - the worker behind exports.js: one order in, one Blob (or a message of what failed) out.
 */
import { composeExact } from "./edits.js";
import { drawMarks, MARK_EDGE, MARK_LINE } from "./lines.js";
import { classTotals } from "./names.js";
import { colorsOf, paletteOf } from "./palette.js";
import { encodePng, PNG_GREY16, PNG_PALETTE, PNG_RGB, PNG_RGBA } from "./png.js";
import { cocoJson } from "./rle.js";

const BAND = 256; // rows of the photo read at once
const LINE_OPACITY = 230; // of 255, white; as in src/io/overlay.c
const EDGE_OPACITY = 100; // of 255, black

// rowAt(y) of the photo's RGBA pixels on white, without a copy of the whole. Rows in order.
async function photoRows(blob, width, height) {
    // As the library sees it: turned as EXIF says, colours as stored.
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    if (bitmap.width !== width || bitmap.height !== height) {
        throw new Error(`The browser reads the photo as ${bitmap.width} × ${bitmap.height} pixels, the server as ` +
                        `${width} × ${height}.`);
    }
    const canvas = new OffscreenCanvas(width, Math.min(BAND, height));
    const context = canvas.getContext("2d", { willReadFrequently: true });
    let top = -1;
    let pixels = null;
    return (y) => {
        const start = y - (y % BAND);
        if (start !== top) {
            context.fillStyle = "white";
            context.fillRect(0, 0, width, canvas.height);
            context.drawImage(bitmap, 0, -start);
            pixels = context.getImageData(0, 0, width, canvas.height).data;
            top = start;
        }
        return pixels.subarray((y - start) * width * 4, (y - start + 1) * width * 4);
    };
}

function labelsPng(map, width, height, count) {
    if (count <= 256) {
        const palette = paletteOf(count).slice(0, count * 3);
        const row = new Uint8Array(width);
        return encodePng(PNG_PALETTE, width, height, (y) => {
            row.set(map.subarray(y * width, (y + 1) * width));
            return row;
        }, palette);
    }
    const row = new Uint8Array(width * 2);
    return encodePng(PNG_GREY16, width, height, (y) => {
        for (let x = 0; x < width; x++) {
            row[2 * x] = map[y * width + x] >> 8;
            row[2 * x + 1] = map[y * width + x];
        }
        return row;
    });
}

// The library's overlay (src/io/overlay.c), hidden segments left as the photo has them.
async function overlayPng(order, map, width, height) {
    const { segments, opacity } = order;
    const photo = await photoRows(order.photo, width, height);
    const marks = order.boundaries ? drawMarks(map, width, height, segments.hidden) : null;
    const palette = colorsOf(segments.count, order.colorOf);
    const weight = Math.round(opacity * 256);
    const row = new Uint8Array(width * 3);
    return encodePng(PNG_RGB, width, height, (y) => {
        const from = photo(y);
        for (let x = 0; x < width; x++) {
            const segment = map[y * width + x];
            const part = segments.hidden[segment] ? 0 : weight;
            const mark = marks === null ? 0 : marks[y * width + x];
            for (let c = 0; c < 3; c++) {
                let value = (from[x * 4 + c] * (256 - part) + palette[segment * 3 + c] * part + 128) >> 8;
                if (mark === MARK_LINE) {
                    value = Math.floor((value * (255 - LINE_OPACITY) + 255 * LINE_OPACITY + 127) / 255);
                } else if (mark === MARK_EDGE) {
                    value = Math.floor((value * (255 - EDGE_OPACITY) + 127) / 255);
                }
                row[x * 3 + c] = value;
            }
        }
        return row;
    });
}

// The chosen segments, nothing around them.
async function cutoutPng(order, map, width, height) {
    const photo = await photoRows(order.photo, width, height);
    const chosen = new Uint8Array(order.segments.count);
    for (const segment of order.selected) {
        chosen[segment] = 1;
    }
    const row = new Uint8Array(width * 4);
    return encodePng(PNG_RGBA, width, height, (y) => {
        row.set(photo(y));
        for (let x = 0; x < width; x++) {
            if (chosen[map[y * width + x]]) {
                row[x * 4 + 3] = 255;
            } else {
                row.fill(0, x * 4, x * 4 + 4);
            }
        }
        return row;
    });
}

// The map with each segment's class, as `diffcut label` writes it; a segment without a name has class 0.
function classesPng(map, width, height, { names, classes }) {
    const classOf = Uint16Array.from(names, (name) => name?.class ?? 0);
    return labelsPng(map.map((segment) => classOf[segment]), width, height, classes.length);
}

// Areas are those of the file's size.
function namesJson(order, map, width, height) {
    const { names, classes, ...about } = order.names;
    const { count, hidden, merged } = order.segments;
    const areas = new Float64Array(count);
    for (const segment of map) {
        areas[segment]++;
    }
    const totals = new Map(classTotals(names, areas).map((total) => [total.class, total]));
    const document = {
        photo: order.name,
        width,
        height,
        tau: order.exact.tau,
        refined: order.exact.refine === 1,
        ...about,
        classes: classes.map((one) => ({ ...one, area: totals.get(one.class)?.area ?? 0,
                                         segments: totals.get(one.class)?.segments ?? 0 })),
        segments: [...areas.keys()].filter((segment) => areas[segment] > 0).map((segment) => ({
            segment,
            area: areas[segment],
            share: areas[segment] / (width * height),
            merged: merged[segment] === 1,
            hidden: hidden[segment] === 1,
            ...(names[segment] ?? { class: null, name: null }),
        })),
    };
    return new Blob([JSON.stringify(document, null, 1), "\n"], { type: "application/json" });
}

async function make(order) {
    const { width, height, data } = order.labels;
    const { count, hidden } = order.segments;
    const map = composeExact(data, order.leaves, order.cut, order.segments);
    switch (order.kind) {
    case "labels":
        return labelsPng(map, width, height, count);
    case "overlay":
        return overlayPng(order, map, width, height);
    case "classes":
        return classesPng(map, width, height, order.names);
    case "names":
        return namesJson(order, map, width, height);
    case "coco":
        return new Blob([cocoJson(map, width, height, count, order.name, hidden)], { type: "application/json" });
    default:
        return cutoutPng(order, map, width, height);
    }
}

onmessage = async ({ data }) => {
    try {
        postMessage({ blob: await make(data) });
    } catch (error) {
        postMessage({ message: error.message });
    }
};
