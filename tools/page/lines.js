/*
 * lines.js - the lines between segments at full size, as the library draws them (src/io/overlay.c): white with a dark
 * edge, wider on larger photos.
 */
export const MARK_EDGE = 1;
export const MARK_LINE = 2;

const LINE_SCALE = 700; // pixels of the shorter side for each pixel of line
const LINE_MOST = 32; // pixels, however large the photo

// One line of pixels, `step` apart: positions `before` ahead of a set one and `after` past it become set.
function widenLine(from, start, count, step, before, after, to) {
    let set = 0; // in the window i - after .. i + before
    for (let i = 0; i < before && i < count; i++) {
        set += from[start + i * step];
    }
    for (let i = 0; i < count; i++) {
        if (i + before < count) {
            set += from[start + (i + before) * step];
        }
        if (i > after) {
            set -= from[start + (i - after - 1) * step];
        }
        to[start + i * step] = set > 0 ? 1 : 0;
    }
}

function widen(marks, width, height, before, after) {
    const rows = new Uint8Array(marks.length);
    const out = new Uint8Array(marks.length);
    for (let y = 0; y < height; y++) {
        widenLine(marks, y * width, width, 1, before, after, rows);
    }
    for (let x = 0; x < width; x++) {
        widenLine(rows, x, height, width, before, after, out);
    }
    return out;
}

// (height, width) of 0, MARK_EDGE or MARK_LINE. hidden: (segments); a line between two hidden ones is none.
export function drawMarks(map, width, height, hidden) {
    let line = new Uint8Array(map.length);
    const differ = (a, b) => Number(a !== b && !(hidden[a] && hidden[b]));
    for (let y = 0, i = 0; y < height; y++) {
        for (let x = 0; x < width; x++, i++) {
            const right = x + 1 < width ? map[i + 1] : map[i];
            const below = y + 1 < height ? map[i + width] : map[i];
            line[i] = differ(map[i], right) | differ(map[i], below);
        }
    }
    const thick = Math.min(LINE_MOST, Math.floor(Math.min(width, height) / LINE_SCALE) + 1);
    if (thick > 1) {
        line = widen(line, width, height, (thick - 1) >> 1, thick >> 1);
    }
    const margin = Math.floor((thick + 2) / 3);
    const edge = widen(line, width, height, margin, margin);
    return edge.map((near, i) => (line[i] ? MARK_LINE : near ? MARK_EDGE : 0));
}
