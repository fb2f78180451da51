/*
 * paint.js - segments to pixels, within one frame of the screen: a table of colours, one pass over the map, and the
 * lines drawn only where the map has a border at all.
 *
 * A pixel is RGBA in one 32-bit number, red in the lowest byte (as ImageData holds it on every machine that runs a
 * browser today). The alpha is the overlay's; the photo lies under the canvas.
 */
import { colorsOf } from "./palette.js";

const LINE = rgba(255, 255, 255, 235);
const LINE_SHADE = rgba(10, 14, 20, 90);
const OUTLINE = rgba(255, 255, 255, 255);
const OUTLINE_SHADE = rgba(10, 14, 20, 255);

function rgba(red, green, blue, alpha) {
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/*
 * What is drawn: source numbers of a map (leaves, or labels of an exact cut), and where they border on each other.
 *   right, below   positions whose right or lower neighbour has another number
 *   area           (numbers) pixels
 */
export class SourceMap {
    constructor({ width, height, data }) {
        this.width = width;
        this.height = height;
        this.data = data;
        let most = 0;
        for (let i = 0; i < data.length; i++) {
            most = Math.max(most, data[i]);
        }
        this.area = new Float64Array(most + 1);
        const right = [];
        const below = [];
        for (let y = 0, i = 0; y < height; y++) {
            for (let x = 0; x < width; x++, i++) {
                this.area[data[i]]++;
                if (x + 1 < width && data[i] !== data[i + 1]) {
                    right.push(i);
                }
                if (y + 1 < height && data[i] !== data[i + width]) {
                    below.push(i);
                }
            }
        }
        this.right = Uint32Array.from(right);
        this.below = Uint32Array.from(below);
    }

    // The number at a place given in parts (0 .. 1) of the width and height.
    at(u, v) {
        const x = Math.min(this.width - 1, Math.floor(u * this.width));
        const y = Math.min(this.height - 1, Math.floor(v * this.height));
        return this.data[y * this.width + x];
    }
}

/*
 * look: {opacity (0 .. 1), boundaries, count and hidden (of segments), selected (Set), lit (a segment or -1), colorOf
 * (of segments: whose number's colour, or null)}
 * segmentOf: the segment of each of the map's numbers. pixels: (height, width) RGBA, all of it written.
 */
export function paint(map, segmentOf, look, pixels) {
    const colors = colorTable(map, segmentOf, look);
    const { data } = map;
    for (let i = 0; i < data.length; i++) {
        pixels[i] = colors[data[i]];
    }
    if (look.boundaries) {
        drawLines(map, segmentOf, look, pixels);
    }
    if (look.selected.size > 0) {
        drawOutline(map, segmentOf, look.selected, pixels);
    }
}

function colorTable(map, segmentOf, look) {
    const palette = colorsOf(look.count, look.colorOf);
    const table = new Uint32Array(map.area.length);
    for (let number = 0; number < table.length; number++) {
        const segment = segmentOf[number];
        let opacity = look.hidden[segment] ? 0 : look.opacity;
        if (segment === look.lit) {
            opacity = Math.max(0.35, Math.min(1, opacity + 0.3));
        }
        const at = segment * 3;
        table[number] = rgba(palette[at], palette[at + 1], palette[at + 2], Math.round(opacity * 255));
    }
    return table;
}

// White, with a shade beside it so that it is seen on any photo. A line between two hidden segments is none.
function drawLines(map, segmentOf, look, pixels) {
    const { data, width } = map;
    for (const [positions, step] of [[map.right, 1], [map.below, width]]) {
        for (let k = 0; k < positions.length; k++) {
            const i = positions[k];
            const a = segmentOf[data[i]];
            const b = segmentOf[data[i + step]];
            if (a !== b && !(look.hidden[a] && look.hidden[b])) {
                pixels[i] = LINE;
                if (pixels[i + step] !== LINE && map.width > 700) {
                    pixels[i + step] = LINE_SHADE;
                }
            }
        }
    }
}

// A double line around what is chosen.
function drawOutline(map, segmentOf, selected, pixels) {
    const { data, width, height } = map;
    const reach = Math.floor(Math.max(width, height) / 700);
    const ends = [];
    for (const [positions, step] of [[map.right, 1], [map.below, width]]) {
        for (let k = 0; k < positions.length; k++) {
            const i = positions[k];
            if (selected.has(segmentOf[data[i]]) !== selected.has(segmentOf[data[i + step]])) {
                ends.push(i);
            }
        }
    }
    for (const [before, after, color] of [[1, reach + 1, OUTLINE_SHADE], [0, reach, OUTLINE]]) {
        for (const i of ends) {
            fillSquare(pixels, width, height, i, before, after, color);
        }
    }
}

function fillSquare(pixels, width, height, center, before, after, color) {
    const cx = center % width;
    const cy = (center - cx) / width;
    const left = Math.max(0, cx - before), right = Math.min(width - 1, cx + after);
    const top = Math.max(0, cy - before), bottom = Math.min(height - 1, cy + after);
    for (let y = top; y <= bottom; y++) {
        pixels.fill(color, y * width + left, y * width + right + 1);
    }
}

// Pixels of each segment; segments that do not occur have 0.
export function segmentAreas(map, segmentOf, count) {
    const areas = new Float64Array(count);
    for (let number = 0; number < map.area.length; number++) {
        areas[segmentOf[number]] += map.area[number];
    }
    return areas;
}
