/*
 * names.js - the segments' names: asked of the server once the partition rests, and carried over to the segments as
 * they are shown. No page elements.
 *
 * The server names the labels of a cut. What is shown may be another cut (the slider moves) or edited (merges); so a
 * segment is named by its leaves: each counts with its area, and has the classes of the label that it was in.
 */
import { askJson } from "./api.js";
import { Latest } from "./latest.js";

const REST_MS = 400; // that the partition must rest: naming takes the server longer than cutting
const TOP = 5;

/*
 * answer: {labelOfLeaf (of the cut that was named), top: (labels) [{class, name, synonym, probability}], best first}.
 * areas: (leaves) pixels. Returns for each segment null, or {class, name, synonym, probability, top}.
 */
export function nameSegments(answer, areas, segments) {
    const sums = Array.from({ length: segments.count }, () => new Map());
    const weights = new Float64Array(segments.count);
    segments.segmentOfLeaf.forEach((segment, leaf) => {
        const weight = areas[leaf] || 1e-6; // a leaf may be smaller than a pixel of the map
        weights[segment] += weight;
        for (const match of answer.top[answer.labelOfLeaf[leaf]] ?? []) {
            const sum = sums[segment].get(match.class) ?? { match, weight: 0 };
            sum.weight += weight * match.probability;
            sums[segment].set(match.class, sum);
        }
    });
    return sums.map((sum, segment) => {
        const top = [...sum.values()].sort((a, b) => b.weight - a.weight).slice(0, TOP) // stable: the server's order
            .map(({ match, weight }) => ({ ...match, probability: Math.min(1, weight / weights[segment]) }));
        return top.length > 0 ? { ...top[0], top } : null;
    });
}

// [{class, name, area, segments}] of the classes that occur, the largest first. areas: (segments) pixels.
export function classTotals(names, areas) {
    const totals = new Map();
    names.forEach((name, segment) => {
        if (name !== null && areas[segment] > 0) {
            const total = totals.get(name.class) ?? { class: name.class, name: name.name, area: 0, segments: 0 };
            total.area += areas[segment];
            total.segments++;
            totals.set(name.class, total);
        }
    });
    return [...totals.values()].sort((a, b) => b.area - a.area);
}

function readAnswer(json, wanted) {
    const top = [];
    for (const { label, top: matches } of json.segments) {
        top[label] = matches?.map(({ class: index, name, synonym, probability }) =>
            ({ class: index, name, synonym, probability })) ?? [];
    }
    const { clip, classes, background, void: unnamed, warnings } = json;
    const { tree, cut: { labelOfLeaf } } = wanted;
    return { tree, labelOfLeaf, top, clip, classes, background, unnamed, warnings };
}

export class Names {
    #list = null; // {classes} or {vocabulary}, {background}: what is asked with; null: nothing is
    #key = null; // of what was last wanted
    #latest = new Latest();

    answer = null; // the last one; may be of another cut of the same tree
    isCurrent = false; // whether it is of what was last wanted

    setList(list) {
        this.stop();
        this.#list = list;
        this.isCurrent = false;
        if (list === null) {
            this.answer = null;
        }
    }

    // wanted: {tree, cut, tau, refine, iterations, width}; at once where `now`. Calls begun() where the server is to be
    // asked, then done() or failed(error), unless another is wanted before.
    want(wanted, now, { begun, done, failed }) {
        const { tree, tau, refine, iterations, width } = wanted;
        const fields = { ...this.#list, tau, refine, width, ...(refine ? { iterations } : {}) };
        const key = JSON.stringify([tree.id, fields]);
        if (this.#list === null || key === this.#key) {
            return;
        }
        this.#key = key;
        this.isCurrent = false;
        if (this.answer !== null && this.answer.tree !== tree) {
            this.answer = null;
        }
        if (!this.#latest.has(key)) {
            begun();
        }
        this.#latest.want(key, now ? 0 : REST_MS, (signal) => this.#ask(wanted, fields, signal), (answer) => {
            this.answer = answer;
            this.isCurrent = true;
            done();
        }, failed);
    }

    async #ask(wanted, fields, signal) {
        const json = await askJson(`v1/trees/${wanted.tree.id}/names`, {
            method: "POST",
            body: JSON.stringify(fields),
            signal,
            headers: { "Content-Type": "application/json" },
        });
        return readAnswer(json, wanted);
    }

    // What is wanted next is asked for anew.
    stop() {
        this.#latest.stop();
        this.#key = null;
    }

    // For another photo; the list stays.
    forget() {
        this.stop();
        this.#latest.forget();
        this.answer = null;
        this.isCurrent = false;
    }
}
