/*
 * units.js - the page's parts one by one, run inside the browser by units.py: the modules come from the server, and the
 * value that returns is what is looked at outside (Pillow, pycocotools, the command).
 *
 * Each test is a function named after what it promises; it throws when that does not hold.
 */
const names = ["edits", "history", "lines", "names", "paint", "palette", "png", "rle", "tree", "heat"];
const [edits, historyModule, lines, naming, paint, palette, png, rle, tree, heat] =
    await Promise.all(names.map((name) => import(`/${name}.js`)));

function equal(what, got, expected) {
    const text = (value) => JSON.stringify(Array.from(value?.[Symbol.iterator] ? value : [value]));
    const [a, b] = [text(got), text(expected)];
    if (a !== b) {
        throw new Error(`${what}: ${a}, expected ${b}`);
    }
}

// A stream of numbers that is the same every time (xorshift32).
function numbers(seed) {
    return (below) => {
        seed ^= seed << 13;
        seed ^= seed >>> 17;
        seed ^= seed << 5;
        return (seed >>> 0) % below;
    };
}

/*
 * A tree of four leaves:        0 (0.2)
 *                        1 (0.5)       2 (0.3)
 *                       3      4      5      6
 * In the published order: the end of the root's negative sides is 6; then of the positive child 1 its end 4, then 3;
 * then 5.
 */
const small = tree.readTree({
    id: "t", width: 4, height: 1, grid: { width: 4, height: 1 }, alpha: 10, max_tau: 0.9,
    nodes: [[0.2, 1, 2, 4, 0], [0.5, 3, 4, 2, 1], [0.3, 5, 6, 2, 1], [null, -1, -1, 1, 2], [null, -1, -1, 1, 2],
            [0.95, -1, -1, 1, 2], [null, -1, -1, 1, 2]],
    leaf_of_token: [3, 4, 5, 6], order: [6, 4, 3, 5],
});

const tests = {
    a_node_splits_only_where_its_cost_is_strictly_below_tau() {
        equal("tau 0.2", tree.tokenLabels(small, 0.2), [0, 0, 0, 0]);
        equal("tau 0.25", tree.tokenLabels(small, 0.25), [1, 1, 0, 0]);
        equal("tau 0.3", tree.tokenLabels(small, 0.3), [1, 1, 0, 0]);
        equal("tau 0.4", tree.tokenLabels(small, 0.4), [1, 1, 2, 0]);
        equal("tau 0.9", tree.tokenLabels(small, 0.9), [2, 1, 3, 0]);
    },
    the_curve_counts_the_segments_of_every_tau() {
        equal("steps", tree.segmentCounts(small).flat(), [0.2, 2, 0.3, 3, 0.5, 4]);
        for (const [from, count] of tree.segmentCounts(small)) {
            equal(`just above ${from}`, tree.cutTree(small, from + 1e-9).count, count);
        }
    },
    a_node_below_a_dearer_one_waits_for_it() {
        const below = tree.readTree({
            id: "t", width: 3, height: 1, grid: { width: 3, height: 1 }, alpha: 10, max_tau: 0.9,
            nodes: [[0.6, 1, 2, 3, 0], [0.1, 3, 4, 2, 1], [null, -1, -1, 1, 1], [null, -1, -1, 1, 2],
                    [null, -1, -1, 1, 2]],
            leaf_of_token: [3, 4, 2], order: [2, 4, 3],
        });
        equal("tau 0.5", tree.cutTree(below, 0.5).count, 1);
        equal("tau 0.7", tree.cutTree(below, 0.7).count, 3);
        equal("steps", tree.segmentCounts(below).flat(), [0.6, 2, 0.6, 3]);
    },
    the_map_of_leaves_is_told_from_its_nodes() {
        equal("leaves", tree.leavesOfNodes(small, Uint16Array.of(3, 4, 5, 6, 6)), [2, 1, 3, 0, 0]);
    },

    merged_segments_take_the_lowest_number_and_leave_the_others_theirs() {
        const cut = tree.cutTree(small, 0.9); // leaves 0 1 2 3
        const merged = edits.merge(edits.noEdits(4), cut.labelOfLeaf, new Set([1, 3]));
        const segments = edits.applyEdits(cut, merged);
        equal("segments", segments.segmentOfLeaf, [0, 1, 2, 1]);
        equal("of labels", segments.segmentOfLabel, [0, 1, 2, 1]);
        equal("merged", segments.merged, [0, 1, 0]);
        equal("mixed", edits.isMixed(segments), false);
        const apart = edits.applyEdits(cut, edits.split(merged, segments.segmentOfLeaf, new Set([1])));
        equal("taken apart", apart.segmentOfLeaf, [0, 1, 2, 3]);
    },
    a_merge_that_is_part_of_a_coarser_segment_is_cut_out_of_it() {
        const fine = tree.cutTree(small, 0.9);
        const merged = edits.merge(edits.noEdits(4), fine.labelOfLeaf, new Set([1, 3]));
        const coarse = tree.cutTree(small, 0.25); // leaves 0 1 1 0
        const segments = edits.applyEdits(coarse, merged);
        equal("segments", segments.segmentOfLeaf, [0, 2, 1, 2]);
        equal("of labels", segments.segmentOfLabel, [edits.MIXED, edits.MIXED]);
        const [labels, leaves] = [Uint16Array.of(0, 1, 1, 0, 1, 0), Uint16Array.of(0, 1, 2, 3, 3, 1)];
        const exact = edits.composeExact(labels, leaves, coarse, segments);
        // The last two moved to another label than their leaf's: they stay with what is left of that.
        equal("exact map", exact, [0, 2, 1, 2, 1, 0]);
    },
    a_merge_of_merges_is_one_and_leaves_none_behind() {
        const cut = tree.cutTree(small, 0.9);
        let state = edits.merge(edits.noEdits(4), cut.labelOfLeaf, new Set([0, 1]));
        state = edits.merge(state, edits.applyEdits(cut, state).segmentOfLeaf, new Set([0, 2]));
        equal("segments", edits.applyEdits(cut, state).segmentOfLeaf, [0, 0, 0, 3]);
        equal("groups in use", new Set(state.groups).size, 2);
    },
    hidden_parts_stay_hidden_when_they_split_and_show_in_a_larger_one() {
        const cut = tree.cutTree(small, 0.25);
        const hidden = edits.setHidden(edits.noEdits(4), cut.labelOfLeaf, new Set([1]), true);
        equal("hidden", edits.applyEdits(cut, hidden).hidden, [0, 1]);
        equal("finer", edits.applyEdits(tree.cutTree(small, 0.9), hidden).hidden, [0, 1, 1, 0]);
        equal("coarser", edits.applyEdits(tree.cutTree(small, 0.1), hidden).hidden, [0]);
        const shown = edits.setHidden(hidden, cut.labelOfLeaf, new Set([1]), false);
        equal("shown", edits.applyEdits(cut, shown).hidden, [0, 0]);
    },

    undo_and_redo_walk_the_states_and_a_new_one_ends_redo() {
        const history = new historyModule.History();
        history.reset("a");
        history.push("b");
        history.push("c");
        equal("undo", [history.undo(), history.undo(), history.undo()], ["b", "a", null]);
        equal("redo", [history.redo(), history.canRedo], ["b", true]);
        history.push("d");
        equal("after a new one", [history.redo(), history.undo(), history.undo()], [null, "b", "a"]);
    },
    steps_of_a_kind_in_quick_succession_are_one() {
        const history = new historyModule.History();
        history.reset("a");
        history.push("b", "tau", 1000);
        history.push("c", "tau", 1500);
        history.push("d", "tau", 3000);
        history.push("e", null, 3100);
        history.push("f", "tau", 3200);
        equal("undo", [history.undo(), history.undo(), history.undo(), history.undo()], ["e", "d", "c", "a"]);
    },
    the_history_forgets_its_oldest_states_only() {
        const history = new historyModule.History();
        history.reset(0);
        for (let i = 1; i <= 500; i++) {
            history.push(i);
        }
        let steps = 0;
        while (history.canUndo) {
            history.undo();
            steps++;
        }
        equal("steps back", [steps, history.current], [199, 301]);
    },

    painting_uses_the_tables_and_draws_lines_between_segments_only() {
        const map = new paint.SourceMap({ width: 4, height: 1, data: Uint16Array.of(0, 1, 2, 2) });
        const look = { opacity: 1, boundaries: true, count: 2, hidden: [0, 0], selected: new Set(), lit: -1 };
        const pixels = new Uint32Array(4);
        paint.paint(map, [0, 0, 1], look, pixels);
        const [first, second] = [0, 1].map((label) => {
            const [red, green, blue] = palette.paletteOf(2).slice(label * 3, label * 3 + 3);
            return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
        });
        equal("pixels", [pixels[0], pixels[2], pixels[3]], [first, second, second]);
        equal("line", [pixels[1] & 0xffffff], [0xffffff]);
        paint.paint(map, [0, 0, 1], { ...look, boundaries: false, hidden: [1, 0] }, pixels);
        equal("hidden", [pixels[0] >>> 24, pixels[1] >>> 24, pixels[2] >>> 24], [0, 0, 255]);
        equal("areas", paint.segmentAreas(map, [0, 0, 1], 2), [2, 2]);
        equal("at", [map.at(0, 0), map.at(0.49, 0.9), map.at(1, 1)], [0, 1, 2]);
    },
    a_line_has_an_edge_and_none_is_between_hidden_segments() {
        const map = Uint16Array.of(0, 0, 0, 1, 1, 1, 2, 2, 2);
        equal("lines", lines.drawMarks(map, 9, 1, [0, 0, 0]), [0, 1, 2, 1, 1, 2, 1, 0, 0]);
        equal("hidden", lines.drawMarks(map, 9, 1, [0, 1, 1]), [0, 1, 2, 1, 0, 0, 0, 0, 0]);
    },
    a_segment_has_the_classes_of_its_leaves_each_with_its_area() {
        const match = (index, name, probability) => ({ class: index, name, synonym: name, probability });
        const answer = { labelOfLeaf: [0, 0, 1, 2],
                         top: [[match(2, "cat", 0.6), match(0, "sky", 0.4)], [match(0, "sky", 0.9)], []] };
        const named = (segmentOfLeaf, areas) =>
            naming.nameSegments(answer, areas, { count: 3, segmentOfLeaf }).map((name) => name?.name ?? null);
        equal("as the labels", named([0, 0, 1, 2], [1, 1, 1, 1]), ["cat", "sky", null]);
        equal("merged with a larger one", named([0, 0, 0, 2], [1, 1, 5, 1]), ["sky", null, null]);
        equal("merged with a smaller one", named([0, 0, 0, 2], [10, 10, 2, 1]), ["cat", null, null]);
        equal("leaves without a pixel", named([0, 0, 1, 2], [0, 0]), ["cat", "sky", null]);
        const [all] = naming.nameSegments(answer, [1, 1, 2, 0], { count: 1, segmentOfLeaf: [0, 0, 0, 0] });
        equal("probabilities", all.top.map(({ probability }) => probability.toFixed(3)), ["0.650", "0.300"]);
        const totals = naming.classTotals([{ class: 2, name: "cat" }, { class: 0, name: "sky" },
                                          { class: 2, name: "cat" }, null], [3, 5, 4, 9]);
        equal("sums", totals.map(({ name, area, segments }) => [name, area, segments]).flat(),
              ["cat", 7, 2, "sky", 5, 1]);
    },
    checksums_are_those_of_the_png_specification() {
        equal("of IEND", [png.crc32(new TextEncoder().encode("IEND"))], [0xae426082]);
    },
};

const results = [];
for (const [name, test] of Object.entries(tests)) {
    try {
        await test();
        results.push([name.replaceAll("_", " "), null]);
    } catch (error) {
        results.push([name.replaceAll("_", " "), String(error)]);
    }
}

/* For Python to read back: PNGs of every kind, COCO masks, colours, cuts. */
const base64 = async (blob) => {
    let text = "";
    for (const byte of new Uint8Array(await blob.arrayBuffer())) {
        text += String.fromCharCode(byte);
    }
    return btoa(text);
};

const next = numbers(2463534242);
const samples = {};
for (const [kind, width, height] of [["PNG_GREY16", 7, 5], ["PNG_RGB", 33, 9], ["PNG_PALETTE", 1, 1],
                                     ["PNG_PALETTE", 300, 2], ["PNG_RGBA", 5, 40], ["PNG_RGB", 1500, 700]]) {
    const { bytes } = png[kind];
    // Noise on a slope: every case of the predictor.
    const data = Uint8Array.from({ length: width * height * bytes }, (_, i) => (i >> 3) + next(40));
    const stride = width * bytes;
    const rowAt = (y) => data.subarray(y * stride, (y + 1) * stride);
    const colors = kind === "PNG_PALETTE" ? palette.paletteOf(256).slice(0, 768) : null;
    const blob = await png.encodePng(png[kind], width, height, rowAt, colors);
    samples[`${kind} ${width}x${height}`] = [await base64(new Blob([data])), await base64(blob)];
}

const masks = [[1, 1, 1], [5, 3, 4], [40, 31, 6], [200, 150, 3], [3, 700, 2]].map(([width, height, count]) => {
    // Patches, so that runs have all lengths, and a label that does not occur.
    const labels = new Uint16Array(width * height).fill(next(count));
    for (let i = 0; i < 30; i++) {
        const [left, top, right, bottom] = [next(width), next(height), next(width + 1), next(height + 1)];
        for (let y = top; y < bottom; y++) {
            labels.fill(next(count), y * width + left, y * width + Math.max(left, right));
        }
    }
    const json = rle.cocoJson(labels, width, height, count + 1, "a\"b.png", null);
    return { width, height, labels: [...labels], json };
});

return { results, samples, masks, palette: [...palette.paletteOf(256).slice(0, 768)], heat: heat.heatColors() };
