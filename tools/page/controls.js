/*
 * controls.js - the panel, the stage and the keys, wired to the editor.
 */
import { askJson, askMap16, askMap8, query } from "./api.js";
import { Editor } from "./editor.js";
import { ExactMaps } from "./exact.js";
import { makeFile, save } from "./exports.js";
import { drawHeat, drawLegend } from "./heat.js";
import { NamesPanel } from "./names_panel.js";
import { announce, byId, isAbort, showError } from "./page.js";
import { SourceMap } from "./paint.js";
import { Stage } from "./stage.js";
import { leavesOfNodes, readTree } from "./tree.js";
import { View, look, segmentsText, tauText } from "./view.js";

const MAP_SIDE = 1024; // pixels of the maps' longer side: more than the panel leaves on most screens
const RECUT_REST_MS = 400;

const refinement = () => ({ refine: byId("refine").checked, iterations: Number(byId("iterations").value) });
const isSimilarity = () => byId("stage").dataset.tool === "similarity";

export class Controls {
    #editor = new Editor(() => this.#changed());
    #names = new NamesPanel(this.#editor, () => this.#view.draw());
    #view = new View(this.#editor, this.#names, (segment) => this.#toggle(segment));
    #exact = new ExactMaps();
    #stage;
    #wanted = null; // what the exact map was last asked for
    #recutTimer = 0;
    #recutting = null;
    #asking = null; // a similarity on its way
    #saving = null; // a download being made

    constructor() {
        this.#stage = new Stage(byId("stage"), byId("layers"), byId("cross"), {
            point: (place, at) => this.#point(place, at),
            press: (place) => this.#press(place),
        });
        drawLegend(byId("legend"));
        this.#wireSlider();
        this.#wireView();
        this.#wireActions();
        this.#wireCut();
        this.#wireDownloads();
        document.addEventListener("keydown", (event) => this.#key(event));
    }

    get photo() {
        return this.#editor.photo;
    }

    // The server's own number of passes.
    setIterations(count) {
        byId("iterations").value = count;
        byId("iterations-value").textContent = byId("iterations").value;
    }

    // What the server can do beyond cutting.
    offer(info) {
        this.#names.offer(info);
    }

    // A photo without its tree yet: on the stage while the server computes.
    preview(photo) {
        this.#stopAll();
        this.#view.light(-1);
        this.#view.clearSegments();
        this.#setTool("select");
        this.#view.showPhoto(photo);
        this.#stage.show(photo.width, photo.height);
    }

    // Back to the photo that was worked on before.
    restore() {
        this.preview(this.#editor.photo);
        this.#wanted = null;
        this.#changed();
    }

    // The tree of a photo, with its map of leaves.
    async load(id, signal) {
        const tree = readTree(await askJson(`v1/trees/${id}`, { signal }));
        const width = mapSide(tree);
        const map = await askMap16(`v1/trees/${id}/leaves${query({ width })}`, { signal });
        return { tree, leaves: new SourceMap({ ...map, data: leavesOfNodes(tree, map.data) }) };
    }

    begin(photo, { tree, leaves }, tau) {
        this.#exact.forget();
        this.#names.forget();
        this.#wanted = null;
        for (const id of ["cut-error", "recut-error", "similarity-error", "download-error"]) {
            showError(id, null);
        }
        this.#stage.show(tree.width, tree.height);
        this.#editor.begin(photo, tree, leaves, Math.min(tau, tree.maxTau));
    }

    #stopAll() {
        this.#exact.stop();
        this.#names.stop();
        clearTimeout(this.#recutTimer);
        for (const running of [this.#recutting, this.#asking, this.#saving]) {
            running?.abort();
        }
    }

    /* ------------------------------------------------------------------------------------------- following */

    #changed() {
        const { tree, tau } = this.#editor.state;
        byId("alpha").value = tree.alpha;
        byId("alpha-value").textContent = tree.alpha;
        byId("min-tokens").value = Math.max(1, tree.minTokens);
        this.#view.draw();
        const wanted = { tree, tau, ...refinement(), width: mapSide(tree) };
        this.#names.follow({ ...wanted, cut: this.#editor.cut });
        if (JSON.stringify({ ...wanted, tree: tree.id }) === this.#wanted) {
            return;
        }
        this.#wanted = JSON.stringify({ ...wanted, tree: tree.id });
        byId("exact-state").textContent = wanted.refine ? "refining…" : "";
        this.#exact.want(wanted, (map) => this.#exactCame(wanted, map), (error) => this.#exactFailed(error));
    }

    #exactCame({ tree, tau, refine }, map) {
        byId("exact-state").textContent = refine ? "refined" : "";
        showError("cut-error", null);
        byId("cut-retry").hidden = true;
        this.#editor.setExact(tree, tau, map);
        announce(`${segmentsText(this.#view.count())} at granularity ${tauText(tau)}`);
    }

    #exactFailed(error) {
        byId("exact-state").textContent = "";
        showError("cut-error", error.message);
        byId("cut-retry").hidden = false;
    }

    #wireSlider() {
        const slider = byId("tau");
        slider.addEventListener("input", () => this.#editor.moveTau(Number(slider.value)));
        slider.addEventListener("change", () => this.#editor.settle());
        byId("cut-retry").addEventListener("click", () => {
            this.#wanted = null;
            this.#changed();
        });
    }

    #wireView() {
        byId("opacity").addEventListener("input", () => {
            look.opacity = Number(byId("opacity").value);
            byId("opacity-value").textContent = `${Math.round(look.opacity * 100)} %`;
            byId("heat-layer").style.opacity = heatOpacity();
            this.#view.draw();
        });
        byId("boundaries").addEventListener("change", () => {
            look.boundaries = byId("boundaries").checked;
            this.#view.draw();
        });
        byId("zoom-in").addEventListener("click", () => this.#stage.zoom(1));
        byId("zoom-out").addEventListener("click", () => this.#stage.zoom(-1));
        byId("zoom-fit").addEventListener("click", () => this.#stage.fit());
        for (const radio of document.querySelectorAll("[name=tool]")) {
            radio.addEventListener("change", () => this.#setTool(radio.value));
        }
    }

    /* ------------------------------------------------------------------------------------------- the hand */

    #point(place, at) {
        const idle = this.#editor.state === null || document.body.classList.contains("computing");
        if (place === null || idle || isSimilarity()) {
            this.#view.light(-1);
            this.#view.tip(-1, null);
            return;
        }
        const segment = this.#editor.segmentAt(place);
        this.#view.light(segment);
        this.#view.tip(segment, at);
    }

    #press(place) {
        if (this.#editor.state === null || document.body.classList.contains("computing")) {
            return;
        }
        if (isSimilarity()) {
            this.#showSimilar(place);
        } else {
            this.#toggle(this.#editor.segmentAt(place));
        }
    }

    #toggle(segment) {
        this.#editor.toggle(segment);
        const { selected } = this.#editor;
        const what = selected.has(segment) ? "chosen" : "no longer chosen";
        announce(`Segment ${segment} ${what}, ${selected.size} chosen`);
    }

    #wireActions() {
        byId("undo").addEventListener("click", () => this.#undo());
        byId("redo").addEventListener("click", () => this.#redo());
        byId("merge").addEventListener("click", () => this.#merge());
        byId("split").addEventListener("click", () => {
            this.#editor.splitSelected();
            announce(`Merge taken apart. ${segmentsText(this.#view.count())}.`);
        });
        byId("hide").addEventListener("click", () => this.#hide());
        byId("clear").addEventListener("click", () => this.#editor.pickNone());
    }

    #undo() {
        this.#editor.settle();
        if (this.#editor.undo()) {
            announce(`Undone. ${segmentsText(this.#view.count())}.`);
        }
    }

    #redo() {
        if (this.#editor.redo()) {
            announce(`Done again. ${segmentsText(this.#view.count())}.`);
        }
    }

    #merge() {
        const { size } = this.#editor.selected;
        if (size > 1) {
            this.#editor.mergeSelected();
            announce(`${size} segments merged into segment ${[...this.#editor.selected][0]}. ` +
                     `${segmentsText(this.#view.count())}.`);
        }
    }

    #hide() {
        const { size } = this.#editor.selected;
        if (size > 0) {
            const hide = !this.#view.allHidden();
            this.#editor.hideSelected(hide);
            announce(`${segmentsText(size)} ${hide ? "hidden" : "shown"}`);
        }
    }

    #key(event) {
        if (byId("work").hidden || document.body.classList.contains("computing")) {
            return;
        }
        const typing = event.target.matches("input[type=number], input[type=text], textarea, select");
        const key = event.key.toLowerCase();
        if ((event.ctrlKey || event.metaKey) && !event.altKey && !typing && (key === "z" || key === "y")) {
            event.preventDefault();
            if (key === "y" || event.shiftKey) {
                this.#redo();
            } else {
                this.#undo();
            }
        } else if (event.ctrlKey || event.metaKey || event.altKey || typing) {
            return;
        } else if (key === "m") {
            this.#merge();
        } else if (key === "h") {
            this.#hide();
        } else if (key === "escape") {
            this.#editor.pickNone();
        }
    }

    /* ------------------------------------------------------------------------------------------- similarity */

    #setTool(tool) {
        byId("stage").dataset.tool = tool;
        for (const radio of document.querySelectorAll("[name=tool]")) {
            radio.checked = radio.value === tool;
        }
        byId("similarity").hidden = tool !== "similarity";
        byId("similarity-hint").hidden = false;
        byId("heat-layer").hidden = true;
        byId("segment-layer").hidden = false;
        showError("similarity-error", null);
        this.#point(null, null);
    }

    async #showSimilar({ u, v }) {
        this.#asking?.abort();
        const asking = new AbortController();
        this.#asking = asking;
        const { tree } = this.#editor.state;
        const place = { x: Math.floor(u * tree.width), y: Math.floor(v * tree.height) };
        try {
            const path = `v1/trees/${tree.id}/similarity${query({ ...place, format: "raw8" })}`;
            const map = await askMap8(path, { signal: asking.signal });
            if (!asking.signal.aborted && isSimilarity()) {
                this.#drawSimilar(map, u, v);
                announce(`What is like the place at ${Math.round(u * 100)} % across, ${Math.round(v * 100)} % down`);
            }
        } catch (error) {
            if (!isAbort(error)) {
                showError("similarity-error", error.message);
            }
        }
    }

    #drawSimilar(map, u, v) {
        const layer = byId("heat-layer");
        const scale = MAP_SIDE / Math.max(this.#editor.state.tree.width, this.#editor.state.tree.height);
        layer.width = Math.round(this.#editor.state.tree.width * scale);
        layer.height = Math.round(this.#editor.state.tree.height * scale);
        drawHeat(layer, map);
        const context = layer.getContext("2d");
        for (const [color, width] of [["#000", 6], ["#fff", 3]]) {
            context.strokeStyle = color;
            context.lineWidth = width;
            context.beginPath();
            context.arc(u * layer.width, v * layer.height, 12, 0, 2 * Math.PI);
            context.stroke();
        }
        layer.style.opacity = heatOpacity();
        layer.hidden = false;
        byId("segment-layer").hidden = true;
        byId("similarity-hint").hidden = true;
        showError("similarity-error", null);
    }

    /* ------------------------------------------------------------------------------------------- cutting anew */

    #wireCut() {
        const refined = () => {
            byId("iterations-value").textContent = byId("iterations").value;
            byId("iterations").disabled = !byId("refine").checked;
            if (this.#editor.state !== null) {
                this.#editor.dropExact();
            }
        };
        byId("refine").addEventListener("change", refined);
        byId("iterations").addEventListener("input", refined);
        byId("alpha").addEventListener("input", () => {
            byId("alpha-value").textContent = byId("alpha").value;
            this.#recutSoon();
        });
        byId("min-tokens").addEventListener("change", () => this.#recutSoon());
    }

    #recutSoon() {
        clearTimeout(this.#recutTimer);
        this.#recutTimer = setTimeout(() => this.#recut(), RECUT_REST_MS);
    }

    async #recut() {
        this.#recutting?.abort();
        const running = new AbortController();
        this.#recutting = running;
        const minimum = byId("min-tokens");
        if (!minimum.checkValidity()) {
            showError("recut-error", `The smallest segment is a whole number from ${minimum.min} to ${minimum.max}.`);
            return;
        }
        const values = { alpha: byId("alpha").value, min_tokens: minimum.value };
        showError("recut-error", null);
        byId("exact-state").textContent = "cutting…";
        try {
            const path = `v1/trees/${this.#editor.state.tree.id}/recut${query(values)}`;
            const { tree } = await askJson(path, { method: "POST", signal: running.signal });
            const loaded = await this.load(tree, running.signal);
            this.#editor.settle();
            this.#editor.recut(loaded.tree, loaded.leaves);
        } catch (error) {
            if (!isAbort(error)) {
                byId("exact-state").textContent = "";
                showError("recut-error", error.message);
            }
        }
    }

    /* ------------------------------------------------------------------------------------------- downloads */

    #wireDownloads() {
        for (const button of document.querySelectorAll("[data-download]")) {
            button.addEventListener("click", () => this.#download(button.dataset.download));
        }
    }

    async #download(kind) {
        this.#saving?.abort();
        const running = new AbortController();
        this.#saving = running;
        const state = byId("download-state");
        const { photo, cut, segments, selected } = this.#editor;
        const { tree, tau } = this.#editor.state;
        const named = { names: this.#names.result, colorOf: this.#names.colorOf };
        const { refine, iterations } = refinement();
        const exact = { tau, refine: Number(refine), iterations: refine ? iterations : null };
        showError("download-error", null);
        state.textContent = "Making the file at full size…";
        state.hidden = false;
        try {
            const file = await makeFile(kind, { photo, tree, cut, segments, exact, look, selected, ...named },
                                        running.signal);
            save(file);
            state.textContent = `Saved ${file.name}.`;
            announce(`Saved ${file.name}`);
        } catch (error) {
            if (!isAbort(error)) {
                state.hidden = true;
                showError("download-error", error.message);
            }
        }
    }
}

function heatOpacity() {
    return String(Math.max(0.25, Math.min(1, look.opacity + 0.25)));
}

// The server's "width" is the longer side.
function mapSide({ width, height }) {
    return Math.min(MAP_SIDE, Math.max(width, height));
}
