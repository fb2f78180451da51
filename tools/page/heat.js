/*
 * heat.js - how alike the patches of the photo are to a chosen one, as colours: the colour map of the library's
 * diffcut_heat_color (src/eval/similarity_colormap.c), over the feature grid, which the browser scales smoothly.
 */
import { oklch } from "./palette.js";

const LIGHTNESS_LOW = 0.26;
const LIGHTNESS_HIGH = 0.93;
const CHROMA_MIDDLE = 0.1;
const CHROMA_MORE = 0.07; // at the ends
const HUE_LOW = 0.86; // of the full turn: violet
const HUE_HIGH = 0.295; // yellow

function heatColor(at) {
    const fromMiddle = 2 * at - 1;
    return oklch(LIGHTNESS_LOW + (LIGHTNESS_HIGH - LIGHTNESS_LOW) * at,
                 CHROMA_MIDDLE + CHROMA_MORE * fromMiddle * fromMiddle, HUE_LOW + (HUE_HIGH - HUE_LOW) * at);
}

let table = null;

export function heatColors() {
    table ??= Array.from({ length: 256 }, (_, value) => heatColor(value / 255));
    return table;
}

// Draws the values (0 .. 255, for similarities of -1 .. 1) over the whole canvas, the least of them darkest.
export function drawHeat(canvas, { width, height, data }) {
    const colors = heatColors();
    const least = data.reduce((low, value) => Math.min(low, value), 254);
    const image = new ImageData(width, height);
    for (let i = 0; i < data.length; i++) {
        image.data.set(colors[Math.round(((data[i] - least) / (255 - least)) * 255)], i * 4);
        image.data[i * 4 + 3] = 255;
    }
    const small = new OffscreenCanvas(width, height);
    small.getContext("2d").putImageData(image, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

// The strip of the legend.
export function drawLegend(canvas) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const colors = heatColors();
    for (let i = 0; i < canvas.width * canvas.height; i++) {
        const at = Math.round(((i % canvas.width) / (canvas.width - 1)) * 255);
        image.data.set(colors[at], i * 4);
        image.data[i * 4 + 3] = 255;
    }
    context.putImageData(image, 0, 0);
}
