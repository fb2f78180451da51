/*
 * tree.js - the partition tree as the server sends it, and its cut at any tau.
 *
 * Whether a node splits depends on its own cost only, so every tau up to the tree's max_tau is a cut through it, made
 * here without asking the server. Labels are numbered as the library numbers them.
 */

// From the document of GET /v1/trees/{id}. Its order lists the leaves by their label at max_tau; leaf k is the k-th.
export function readTree(answer) {
    const count = answer.nodes.length;
    const tree = {
        id: answer.id,
        width: answer.width,
        height: answer.height,
        grid: answer.grid,
        alpha: answer.alpha,
        minTokens: answer.min_tokens ?? 0,
        maxTau: answer.max_tau,
        cost: new Float64Array(count),
        positive: new Int32Array(count),
        negative: new Int32Array(count),
        leafNode: Int32Array.from(answer.order),
        nodeOfToken: Int32Array.from(answer.leaf_of_token),
    };
    answer.nodes.forEach(([cost, positive, negative], index) => {
        tree.cost[index] = cost ?? Infinity;
        tree.positive[index] = positive;
        tree.negative[index] = negative;
    });
    return tree;
}

// (nodes) the node whose segment each is in at tau: itself, or the nearest to the root that does not split.
function segmentNodes(tree, tau) {
    const segment = new Int32Array(tree.cost.length);
    for (let node = 0; node < segment.length; node++) { // children follow their parent
        if (tree.positive[node] >= 0) {
            const splits = segment[node] === node && tree.cost[node] < tau;
            segment[tree.positive[node]] = splits ? tree.positive[node] : segment[node];
            segment[tree.negative[node]] = splits ? tree.negative[node] : segment[node];
        }
    }
    return segment;
}

/*
 * {count, labelOfLeaf}: the segments at tau <= max_tau. The published code numbers, of a node, first the segment at
 * the end of its negative sides, then all of its positive child, then the rest of its negative child; so the segments
 * of any cut come in the order of their first leaves, and the order at max_tau numbers every cut.
 */
export function cutTree(tree, tau) {
    const segment = segmentNodes(tree, tau);
    const labelOfNode = new Int32Array(tree.cost.length).fill(-1);
    let count = 0;
    const labelOfLeaf = Uint16Array.from(tree.leafNode, (leaf) => {
        const node = segment[leaf];
        if (labelOfNode[node] < 0) {
            labelOfNode[node] = count++;
        }
        return labelOfNode[node];
    });
    return { count, labelOfLeaf };
}

// The server's map of leaves has their nodes, as 16-bit numbers; here they become 0, 1, ... in the tree's order.
export function leavesOfNodes(tree, nodes) {
    const leafOfNode = new Uint16Array(tree.cost.length);
    tree.leafNode.forEach((node, leaf) => (leafOfNode[node] = leaf));
    return nodes.map((node) => leafOfNode[node]);
}

// The label of every token of the feature grid, as diffcut_tree_cut gives it.
export function tokenLabels(tree, tau) {
    const { labelOfLeaf } = cutTree(tree, tau);
    const labelOfNode = new Map([...tree.leafNode].map((node, leaf) => [node, labelOfLeaf[leaf]]));
    return Uint16Array.from(tree.nodeOfToken, (node) => labelOfNode.get(node));
}

// Where the number of segments changes: [[tau, count], ...], ascending; count holds for every tau above that one, up
// to the next. For the curve behind the slider.
export function segmentCounts(tree) {
    // A node splits once tau is above its own cost and those of all its ancestors.
    const from = new Float64Array(tree.cost.length);
    const splits = [];
    for (let node = 0; node < from.length; node++) {
        if (tree.positive[node] >= 0) {
            from[node] = Math.max(from[node], tree.cost[node]);
            from[tree.positive[node]] = from[node];
            from[tree.negative[node]] = from[node];
            if (from[node] < tree.maxTau) {
                splits.push(from[node]);
            }
        }
    }
    splits.sort((a, b) => a - b);
    return splits.map((tau, index) => [tau, index + 2]);
}
