/*
 * edits.js - what a person did to the segments, and what is left of the cut with it.
 *
 * Edits belong to the leaves of the tree, not to the segments of one tau, so that they stay when the slider moves: a
 * merged segment is what it was at any tau, cut out of what lies around it; a hidden part stays hidden while it is a
 * segment or several. An edit is never changed, only replaced: the history keeps the old one.
 *
 * Numbers: a segment keeps the number of the cut, so numbers and colours of the others stay when two are merged. A
 * merged one takes the lowest number that is all its own, or the next free one when it is only a part of a segment.
 */

// groups: (leaves) 0, or the number of the merge that the leaf is in; hidden: (leaves) 0 or 1.
export function noEdits(leaves) {
    return { groups: new Uint16Array(leaves), hidden: new Uint8Array(leaves), merges: 0 };
}

// The leaves whose segment is in the set, in one new group. Former groups that they made up are gone with it.
export function merge(edits, segmentOfLeaf, chosen) {
    const group = edits.merges + 1;
    const groups = edits.groups.map((was, leaf) => (chosen.has(segmentOfLeaf[leaf]) ? group : was));
    return { ...edits, groups, merges: group };
}

// Takes the merges of the chosen segments apart again.
export function split(edits, segmentOfLeaf, chosen) {
    const groups = edits.groups.map((was, leaf) => (chosen.has(segmentOfLeaf[leaf]) ? 0 : was));
    return { ...edits, groups };
}

export function setHidden(edits, segmentOfLeaf, chosen, hide) {
    const hidden = edits.hidden.map((was, leaf) => (chosen.has(segmentOfLeaf[leaf]) ? Number(hide) : was));
    return { ...edits, hidden };
}

/*
 * The segments of a cut with the edits:
 *   count           one above the greatest number
 *   segmentOfLeaf   (leaves)
 *   segmentOfLabel  (labels of the cut) the number where the whole label has one; MIXED where a merge took a part
 *   hidden          (count) 1 where all of it is hidden
 *   merged          (count) 1 where it was made by merging
 */
export const MIXED = 0xffff;

export function applyEdits(cut, edits) {
    const leaves = cut.labelOfLeaf.length;
    const whole = wholeGroups(cut, edits);
    const numbers = numberGroups(cut, edits, whole);
    const segmentOfLeaf = new Uint16Array(leaves);
    for (let leaf = 0; leaf < leaves; leaf++) {
        const group = edits.groups[leaf];
        segmentOfLeaf[leaf] = group > 0 ? numbers.get(group) : cut.labelOfLeaf[leaf];
    }
    const segmentOfLabel = Uint16Array.from(whole, (group, label) =>
        group === MIXED ? MIXED : group > 0 ? numbers.get(group) : label);
    const count = segmentOfLeaf.reduce((most, number) => Math.max(most, number + 1), 0);
    const hidden = new Uint8Array(count).fill(1);
    const merged = new Uint8Array(count);
    for (let leaf = 0; leaf < leaves; leaf++) {
        hidden[segmentOfLeaf[leaf]] &= edits.hidden[leaf];
        merged[segmentOfLeaf[leaf]] |= Number(edits.groups[leaf] > 0);
    }
    return { count, segmentOfLeaf, segmentOfLabel, hidden, merged };
}

// Of each label: the group that holds all of its leaves, 0 when no leaf is in one, MIXED otherwise.
function wholeGroups(cut, edits) {
    const whole = new Int32Array(cut.count).fill(-1);
    cut.labelOfLeaf.forEach((label, leaf) => {
        const group = edits.groups[leaf];
        whole[label] = whole[label] === -1 || whole[label] === group ? group : MIXED;
    });
    return whole;
}

function numberGroups(cut, edits, whole) {
    const numbers = new Map();
    whole.forEach((group, label) => {
        if (group > 0 && group !== MIXED && !numbers.has(group)) {
            numbers.set(group, label);
        }
    });
    let next = cut.count;
    for (const group of [...new Set(edits.groups)].sort((a, b) => a - b)) {
        if (group > 0 && !numbers.has(group)) {
            numbers.set(group, next++);
        }
    }
    return numbers;
}

/*
 * The numbers of an exact label map (the cut's labels, refined or not). A pixel of a label that a merge took a part of
 * belongs to the merge where its leaf does; where refinement moved it to another label than its leaf's, it stays with
 * what is left of that label. leaves may be null when no label is MIXED.
 */
export function composeExact(labels, leaves, cut, segments) {
    const { segmentOfLabel, segmentOfLeaf } = segments;
    const out = new Uint16Array(labels.length);
    for (let i = 0; i < labels.length; i++) {
        const label = labels[i];
        const number = segmentOfLabel[label];
        if (number !== MIXED) {
            out[i] = number;
        } else {
            const leaf = leaves[i];
            out[i] = cut.labelOfLeaf[leaf] === label ? segmentOfLeaf[leaf] : label;
        }
    }
    return out;
}

export function isMixed(segments) {
    return segments.segmentOfLabel.includes(MIXED);
}
