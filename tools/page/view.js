/*
 * view.js - what the editor has, onto the page: canvases, counts, list, buttons. Drawn at most once a frame.
 */
import { announce, byId } from "./page.js";
import { SegmentList, describe, percent, titleOf } from "./list.js";
import { paint } from "./paint.js";
import { cssColor } from "./palette.js";
import { segmentCounts } from "./tree.js";

const LIST_REST_MS = 120; // the list is made anew once the slider rests this long
const ROWS = 400; // of the list; a cut into thousands of patches is not for reading

export const look = { opacity: 0.5, boundaries: true, lit: -1 };

export class View {
    #editor;
    #names; // names and colorOf of the segments
    #list;
    #frame = 0;
    #listTimer = 0;
    #pixels = null; // ImageData of the segment layer
    #curveOf = null;

    constructor(editor, names, onToggle) {
        this.#editor = editor;
        this.#names = names;
        this.#list = new SegmentList(byId("segments"), { toggle: onToggle, light: (segment) => this.light(segment) });
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
            this.#curveOf = null;
            this.draw();
        });
    }

    showPhoto(photo) {
        const layer = byId("photo-layer");
        layer.width = photo.bitmap.width;
        layer.height = photo.bitmap.height;
        layer.getContext("2d").drawImage(photo.bitmap, 0, 0);
    }

    clearSegments() {
        byId("segment-layer").width = 1;
        byId("segment-layer").height = 1;
        this.#pixels = null;
    }

    // Something changed: draw in the next frame.
    draw() {
        this.#frame ||= requestAnimationFrame(() => {
            this.#frame = 0;
            if (this.#editor.state !== null) {
                this.#drawSegments();
                this.#drawPanel();
            }
        });
    }

    // The segment under the hand, -1 for none.
    light(segment) {
        if (segment !== look.lit) {
            look.lit = segment;
            this.#list.lit(segment);
            this.draw();
        }
    }

    #drawSegments() {
        const { map, segmentOf, segments, selected } = this.#editor;
        const layer = byId("segment-layer");
        if (this.#pixels === null || layer.width !== map.width || layer.height !== map.height) {
            layer.width = map.width;
            layer.height = map.height;
            this.#pixels = new ImageData(map.width, map.height);
        }
        const { colorOf } = this.#names;
        const colors = { ...look, count: segments.count, hidden: segments.hidden, selected, colorOf };
        paint(map, segmentOf, colors, new Uint32Array(this.#pixels.data.buffer));
        layer.getContext("2d").putImageData(this.#pixels, 0, 0);
    }

    /* ------------------------------------------------------------------------------------------- panel */

    #drawPanel() {
        const { state, selected, canUndo, canRedo, segments } = this.#editor;
        const count = this.count();
        const slider = byId("tau");
        slider.max = state.tree.maxTau;
        slider.value = state.tau;
        slider.setAttribute("aria-valuetext", `${tauText(state.tau)}, ${segmentsText(count)}`);
        byId("tau-value").textContent = tauText(state.tau);
        byId("count").textContent = count;
        byId("count-word").textContent = count === 1 ? "segment" : "segments";
        byId("undo").disabled = !canUndo;
        byId("redo").disabled = !canRedo;
        const chosen = [...selected];
        byId("selected-count").textContent = chosen.length > 0 ? `${chosen.length} chosen` : "";
        byId("merge").disabled = chosen.length < 2;
        byId("split").disabled = !chosen.some((segment) => segments.merged[segment]);
        byId("hide").disabled = chosen.length === 0;
        byId("hide").textContent = this.allHidden() ? "Show" : "Hide";
        byId("clear").disabled = chosen.length === 0;
        document.querySelector("[data-download=cutout]").disabled = chosen.length === 0;
        this.#list.select(selected);
        this.#drawCurve(state.tree, state.tau);
        clearTimeout(this.#listTimer);
        this.#listTimer = setTimeout(() => this.#drawList(), LIST_REST_MS);
    }

    // Whether every chosen segment is hidden: the button then shows them.
    allHidden() {
        const { selected, segments } = this.#editor;
        return selected.size > 0 && [...selected].every((segment) => segments.hidden[segment]);
    }

    // Segments that occur.
    count() {
        return this.#editor.areas.reduce((sum, area) => sum + Number(area > 0), 0);
    }

    // What is said of a segment: number, name, share of the photo, merged, hidden.
    entry(segment, { names, colorOf } = this.#names) {
        const { areas, segments, map, selected } = this.#editor;
        return {
            segment,
            share: areas[segment] / (map.width * map.height),
            hidden: segments.hidden[segment] === 1,
            merged: segments.merged[segment] === 1,
            selected: selected.has(segment),
            name: names?.[segment] ?? null,
            color: colorOf === null ? segment : colorOf[segment],
        };
    }

    // Largest first.
    #drawList() {
        const { areas } = this.#editor;
        const there = [...areas.keys()].filter((segment) => areas[segment] > 0).sort((a, b) => areas[b] - areas[a]);
        const { names, colorOf } = this.#names;
        this.#list.show(there.slice(0, ROWS).map((segment) => this.entry(segment, { names, colorOf })), there.length);
        byId("segments-more").hidden = there.length <= ROWS;
        byId("segments-more").textContent = `${there.length - ROWS} smaller ones are on the photo only.`;
        this.#names.draw();
        this.#list.lit(look.lit);
    }

    // How many segments there are at each tau, on a scale of powers: where dragging will do something.
    #drawCurve(tree, tau) {
        const canvas = byId("curve");
        const context = canvas.getContext("2d");
        const { width, height } = canvas;
        if (this.#curveOf?.tree !== tree) {
            const style = getComputedStyle(document.documentElement);
            const color = (name) => style.getPropertyValue(name).trim();
            this.#curveOf = { tree, counts: segmentCounts(tree), line: color("--line"), accent: color("--accent") };
        }
        const { counts, line, accent } = this.#curveOf;
        const most = Math.log2((counts.at(-1)?.[1] ?? 1) + 1);
        const path = new Path2D(`M0 ${height}`);
        const up = (count) => height - (Math.log2(count + 1) / most) * (height - 6);
        path.lineTo(0, up(1));
        let last = 1;
        for (const [from, count] of counts) {
            const x = (from / tree.maxTau) * width;
            path.lineTo(x, up(last));
            path.lineTo(x, up(count));
            last = count;
        }
        path.lineTo(width, up(last));
        path.lineTo(width, height);
        context.clearRect(0, 0, width, height);
        context.fillStyle = line;
        context.fill(path);
        context.save();
        context.beginPath();
        context.rect(0, 0, (tau / tree.maxTau) * width, height);
        context.clip();
        context.fillStyle = accent;
        context.globalAlpha = 0.55;
        context.fill(path);
        context.restore();
    }

    /* ------------------------------------------------------------------------------------------- the hand */

    // The name of a segment beside the pointer; at: a client position, null to put it away.
    tip(segment, at) {
        const tip = byId("tip");
        tip.hidden = at === null;
        if (at === null) {
            return;
        }
        const entry = this.entry(segment);
        byId("tip-swatch").style.backgroundColor = cssColor(entry.color);
        const called = entry.name === null ? titleOf(entry) : `${titleOf(entry)} · Segment ${segment}`;
        byId("tip-text").textContent = `${called} · ${percent(entry.share)}${entry.hidden ? " · hidden" : ""}`;
        const box = byId("stage").getBoundingClientRect();
        const x = Math.min(at.clientX - box.left + 14, box.width - tip.offsetWidth - 6);
        const below = at.clientY - box.top + 18;
        const y = below + tip.offsetHeight > box.height ? at.clientY - box.top - tip.offsetHeight - 12 : below;
        tip.style.transform = `translate(${Math.max(6, x)}px, ${y}px)`;
        if (at.keys) {
            announce(describe(entry));
        }
    }
}

export function tauText(tau) {
    return tau.toFixed(3).replace(/0$/, "");
}

export function segmentsText(count) {
    return `${count} ${count === 1 ? "segment" : "segments"}`;
}
