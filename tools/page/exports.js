/*
 * exports.js - files at the photo's full size. The label map comes from the server as the page shows it (same tau, same
 * refinement); the edits are applied and the files made in a worker, so that the page stays awake.
 */
import { askMap16, query } from "./api.js";
import { isMixed } from "./edits.js";
import { stem } from "./photo.js";

const KINDS = {
    labels: "labels.png",
    overlay: "overlay.png",
    coco: "coco.json",
    cutout: "cutout.png",
    classes: "classes.png",
    names: "names.json",
};

/*
 * kind: a key of KINDS. work: {photo, tree, cut, segments, exact: {tau, refine, iterations}, look, selected (Set),
 * names (null, or NamesPanel.result), colorOf}.
 * Resolves to {name, blob}.
 */
export async function makeFile(kind, work, signal) {
    const base = `v1/trees/${work.tree.id}`;
    const labels = await askMap16(`${base}/labels${query({ ...work.exact, format: "raw16" })}`, { signal });
    const leaves = isMixed(work.segments) ? (await askMap16(leavesPath(base, work.tree), { signal })).data : null;
    const order = {
        kind,
        photo: work.photo.blob,
        name: work.photo.name,
        labels,
        leaves,
        cut: work.cut,
        segments: work.segments,
        opacity: work.look.opacity,
        boundaries: work.look.boundaries,
        selected: [...work.selected],
        exact: work.exact,
        names: work.names,
        colorOf: work.colorOf,
    };
    const blob = await runWorker(order, [labels.data.buffer, ...(leaves ? [leaves.buffer] : [])], signal);
    return { name: `${stem(work.photo.name)}.${KINDS[kind]}`, blob };
}

// The leaves are the labels at max_tau, before refinement; the map of leaves itself is not to be had at full size.
function leavesPath(base, tree) {
    return `${base}/labels${query({ tau: tree.maxTau, refine: 0, format: "raw16" })}`;
}

function runWorker(order, transfer, signal) {
    const worker = new Worker("export_worker.js", { type: "module" });
    return new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        worker.onmessage = ({ data }) => (data.blob ? resolve(data.blob) : reject(new Error(data.message)));
        worker.onerror = () => reject(new Error("The file could not be made in this browser."));
        worker.postMessage(order, transfer);
    }).finally(() => worker.terminate());
}

export function save({ name, blob }) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000); // after the browser has begun to write it
}
