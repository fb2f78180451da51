/*
 * editor.js - one photo being worked on: its tree, tau, edits and choice of segments, with undo; no page elements.
 *
 * A state {tree, leaves, tau, edits} is never changed in place; the history holds states. From the state follow the
 * cut, the segments and what is shown: the leaf map while the slider moves, the exact map once the server sent it.
 */
import { applyEdits, composeExact, isMixed, merge, noEdits, setHidden, split } from "./edits.js";
import { History } from "./history.js";
import { SourceMap, segmentAreas } from "./paint.js";
import { cutTree } from "./tree.js";

export class Editor {
    #changed;
    #history = new History();
    #now = null; // the history's current state, or one that the slider is just passing
    #picked = null; // (leaves) 1 where chosen
    #exact = null; // {tree, tau, map}: a server's label map
    #composed = null; // {exact, segments, map}: the exact map where a merge took a part of a label

    photo = null;
    cut = null;
    segments = null;
    map = null; // SourceMap that is shown
    segmentOf = null; // of the numbers of map
    areas = null; // (segments) pixels of map
    selected = new Set(); // segments
    isExact = false;

    // changed() is called after every change.
    constructor(changed) {
        this.#changed = changed;
    }

    get state() {
        return this.#now;
    }

    get canUndo() {
        return this.#history.canUndo;
    }

    get canRedo() {
        return this.#history.canRedo;
    }

    begin(photo, tree, leaves, tau) {
        this.photo = photo;
        this.#now = { tree, leaves, tau, edits: noEdits(tree.leafNode.length) };
        this.#history.reset(this.#now);
        this.#exact = null;
        this.#pickNone();
        this.#derive();
    }

    // The photo cut anew.
    recut(tree, leaves) {
        const tau = Math.min(this.#now.tau, tree.maxTau);
        this.#go({ tree, leaves, tau, edits: noEdits(tree.leafNode.length) });
        this.#history.push(this.#now);
    }

    // On the way of the slider; settle() makes it a step that can be undone.
    moveTau(tau) {
        if (tau !== this.#now.tau) {
            this.#go({ ...this.#now, tau });
        }
    }

    settle() {
        if (this.#now !== this.#history.current) {
            this.#history.push(this.#now, "tau");
            this.#changed();
        }
    }

    undo() {
        return this.#goBack(this.#history.undo());
    }

    redo() {
        return this.#goBack(this.#history.redo());
    }

    #goBack(state) {
        if (state !== null) {
            this.#go(state);
        }
        return state !== null;
    }

    // map: {width, height, data} of the labels at a tree's tau, as the server has them; what has passed is let go.
    setExact(tree, tau, map) {
        if (this.#now.tree !== tree || this.#now.tau !== tau) {
            return;
        }
        const source = new SourceMap(map);
        if (source.area.length <= this.cut.count) {
            this.#exact = { tree, tau, map: source };
            this.#derive();
        }
    }

    dropExact() {
        this.#exact = null;
        this.#derive();
    }

    /* ------------------------------------------------------------------------------------------- choosing */

    // The segment at a place in parts of the photo.
    segmentAt({ u, v }) {
        return this.segmentOf[this.map.at(u, v)];
    }

    toggle(segment) {
        const pick = !this.selected.has(segment);
        this.segments.segmentOfLeaf.forEach((of, leaf) => {
            if (of === segment) {
                this.#picked[leaf] = Number(pick);
            }
        });
        this.#derive();
    }

    pickNone() {
        this.#pickNone();
        this.#derive();
    }

    #pickNone() {
        this.#picked = new Uint8Array(this.#now.tree.leafNode.length);
    }

    /* ------------------------------------------------------------------------------------------- edits */

    mergeSelected() {
        this.#edit(merge(this.#now.edits, this.segments.segmentOfLeaf, this.selected));
    }

    splitSelected() {
        this.#edit(split(this.#now.edits, this.segments.segmentOfLeaf, this.selected));
    }

    hideSelected(hide) {
        this.#edit(setHidden(this.#now.edits, this.segments.segmentOfLeaf, this.selected, hide));
    }

    #edit(edits) {
        this.#now = { ...this.#now, edits };
        this.#history.push(this.#now);
        this.#derive();
    }

    /* ------------------------------------------------------------------------------------------- what follows */

    #go(state) {
        const sameTree = state.tree === this.#now.tree;
        this.#now = state;
        if (!sameTree) {
            this.#pickNone();
        }
        this.#derive();
    }

    #derive() {
        const { tree, leaves, tau, edits } = this.#now;
        this.cut = cutTree(tree, tau);
        this.segments = applyEdits(this.cut, edits);
        this.isExact = this.#exact !== null && this.#exact.tree === tree && this.#exact.tau === tau;
        if (!this.isExact) {
            this.map = leaves;
            this.segmentOf = this.segments.segmentOfLeaf;
        } else if (isMixed(this.segments)) {
            this.map = this.#composeMap();
            this.segmentOf = Uint16Array.from({ length: this.map.area.length }, (_, number) => number);
        } else {
            this.map = this.#exact.map;
            this.segmentOf = this.segments.segmentOfLabel;
        }
        this.areas = segmentAreas(this.map, this.segmentOf, this.segments.count);
        this.selected = this.#selectedSegments();
        this.#changed();
    }

    #composeMap() {
        const { leaves, tau, tree, edits } = this.#now;
        const { map } = this.#exact;
        const made = this.#composed;
        if (made?.exact !== map || made.edits.groups !== edits.groups || made.tau !== tau || made.tree !== tree) {
            const data = composeExact(map.data, leaves.data, this.cut, this.segments);
            const composed = new SourceMap({ width: map.width, height: map.height, data });
            this.#composed = { exact: map, edits, tau, tree, map: composed };
        }
        return this.#composed.map;
    }

    // Those whose every leaf is picked.
    #selectedSegments() {
        const selected = new Set();
        const missing = new Set();
        this.segments.segmentOfLeaf.forEach((segment, leaf) =>
            (this.#picked[leaf] ? selected : missing).add(segment));
        for (const segment of missing) {
            selected.delete(segment);
        }
        return selected;
    }
}
