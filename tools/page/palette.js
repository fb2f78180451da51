/*
 * palette.js - the colour of a segment: the rule of the library's diffcut_color, digit for digit, so that a segment
 * has one colour on the page, in the files downloaded here and in those that the command writes.
 *
 * Hue and lightness of label k are the k-th point of the R2 sequence (M. Roberts) in OKLCH (B. Ottosson); see
 * src/io/palette.c.
 */
const R2_FIRST = 0.75487766624669276;
const R2_SECOND = 0.56984029099805327;
const HUE_OF_LABEL_0 = 0.7; // of the full turn: blue
const LIGHTNESS_OF_LABEL_0 = 0.35;
const LIGHTNESS_LOW = 0.54;
const LIGHTNESS_SPAN = 0.33;
const CHROMA = 0.155;
const CHROMA_STEP = 0.97; // factor until the screen can show the colour
const TWO_PI = 6.283185307179586;

function oklabToLinear(lightness, a, b) {
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    return [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ];
}

// IEC 61966-2-1.
function linearToSrgb8(linear) {
    const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
    return Math.round(value * 255);
}

// sRGB of a colour in OKLCH, its hue in turns; its chroma is lessened until the screen can show it.
export function oklch(lightness, chroma, turn) {
    const hue = turn * TWO_PI;
    let linear = oklabToLinear(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
    while (linear.some((part) => part < 0 || part > 1)) {
        chroma *= CHROMA_STEP; // ends: grey of a lightness between 0 and 1 can be shown
        linear = oklabToLinear(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
    }
    return linear.map(linearToSrgb8);
}

function color(label) {
    const lightness = LIGHTNESS_LOW + LIGHTNESS_SPAN * ((LIGHTNESS_OF_LABEL_0 + label * R2_SECOND) % 1);
    return oklch(lightness, CHROMA, (HUE_OF_LABEL_0 + label * R2_FIRST) % 1);
}

let known = new Uint8Array(0);

// (count, 3) bytes, or more: the colours of labels 0 .. count - 1. Made once, grown when needed.
export function paletteOf(count) {
    if (known.length < count * 3) {
        const grown = new Uint8Array(Math.max(count, 256) * 3);
        grown.set(known);
        for (let label = known.length / 3; label < grown.length / 3; label++) {
            grown.set(color(label), label * 3);
        }
        known = grown;
    }
    return known;
}

const NO_CLASS = 128; // grey

// (count, 3) bytes, or more: the colours of segments, where each may have that of another number (-1: of none).
export function colorsOf(count, colorOf = null) {
    if (colorOf === null) {
        return paletteOf(count);
    }
    const known = paletteOf(colorOf.reduce((most, number) => Math.max(most, number + 1), 1));
    const colors = new Uint8Array(count * 3).fill(NO_CLASS);
    colorOf.forEach((number, segment) => {
        if (number >= 0) {
            colors.set(known.subarray(number * 3, number * 3 + 3), segment * 3);
        }
    });
    return colors;
}

// "rgb(12 34 56)", for a swatch; grey for -1.
export function cssColor(label) {
    if (label < 0) {
        return `rgb(${NO_CLASS} ${NO_CLASS} ${NO_CLASS})`;
    }
    const colors = paletteOf(label + 1);
    return `rgb(${colors[label * 3]} ${colors[label * 3 + 1]} ${colors[label * 3 + 2]})`;
}
