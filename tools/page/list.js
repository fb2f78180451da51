/*
 * list.js - the segments as a list box: what a mouse does on the photo, the keys do here.
 *
 * One row has the focus at a time (aria-activedescendant); arrows, Home and End move it and light its segment up,
 * Space chooses. The list calls light(segment or -1), toggle(segment) and only(segment).
 */
import { cssColor } from "./palette.js";

export class SegmentList {
    #element;
    #on;
    #rows = []; // {segment, element}, in order
    #active = -1; // a segment

    constructor(element, on) {
        this.#element = element;
        this.#on = on;
        element.addEventListener("keydown", (event) => this.#key(event));
        element.addEventListener("click", (event) => {
            const row = event.target.closest("[role=option]");
            if (row !== null) {
                this.#activate(Number(row.dataset.segment));
                this.#on.toggle(Number(row.dataset.segment));
            }
        });
        element.addEventListener("pointerover", (event) => {
            const row = event.target.closest("[role=option]");
            this.#on.light(row === null ? -1 : Number(row.dataset.segment));
        });
        element.addEventListener("pointerleave", () => this.#on.light(-1));
        element.addEventListener("focus", () => this.#activate(this.#active));
        element.addEventListener("blur", () => this.#on.light(-1));
    }

    // entries: [{segment, share (0 .. 1), hidden, merged, selected, name (or null), color}], in the order of the rows, the
    // first of `total`.
    show(entries, total) {
        this.#rows = entries.map((entry, index) =>
            ({ segment: entry.segment, element: this.#row(entry, index, total) }));
        this.#element.replaceChildren(...this.#rows.map((row) => row.element));
        this.#mark();
    }

    // What is lit on the photo; scrolls nothing, the hand is on the photo.
    lit(segment) {
        for (const row of this.#rows) {
            row.element.classList.toggle("lit", row.segment === segment);
        }
    }

    select(selected) {
        for (const row of this.#rows) {
            row.element.setAttribute("aria-selected", String(selected.has(row.segment)));
        }
    }

    #row(entry, index, total) {
        const row = document.createElement("li");
        row.id = `segment-${entry.segment}`;
        row.role = "option";
        row.dataset.segment = entry.segment;
        row.ariaSelected = String(entry.selected);
        row.ariaPosInSet = String(index + 1);
        row.ariaSetSize = String(total);
        row.ariaLabel = describe(entry);
        row.classList.toggle("is-hidden", entry.hidden);
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        swatch.style.backgroundColor = cssColor(entry.color);
        const name = document.createElement("span");
        name.className = "name";
        name.textContent = titleOf(entry);
        const notes = document.createElement("span");
        notes.className = "note";
        notes.textContent = [entry.name ? `Segment ${entry.segment}` : "", entry.merged ? "merged" : "",
                             entry.hidden ? "hidden" : ""].filter(Boolean).join(", ");
        if (entry.name) {
            row.title = entry.name.top.map((one) => `${one.name} ${percent(one.probability)}`).join("\n");
        }
        const share = document.createElement("span");
        share.className = "share";
        share.textContent = percent(entry.share);
        row.append(swatch, name, notes, share);
        return row;
    }

    #key(event) {
        const at = this.#rows.findIndex((row) => row.segment === this.#active);
        const last = this.#rows.length - 1;
        const to = { ArrowDown: Math.min(last, at + 1), ArrowUp: Math.max(0, at - 1), Home: 0, End: last,
                     PageDown: Math.min(last, at + 10), PageUp: Math.max(0, at - 10) }[event.key];
        if (last < 0 || event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        if (to !== undefined) {
            this.#activate(this.#rows[to].segment);
        } else if ((event.key === " " || event.key === "Enter") && at >= 0) {
            this.#on.toggle(this.#active);
        } else {
            return;
        }
        event.preventDefault();
    }

    #activate(segment) {
        this.#active = this.#rows.some((row) => row.segment === segment) ? segment : (this.#rows[0]?.segment ?? -1);
        this.#mark();
        this.#rows.find((row) => row.segment === this.#active)?.element.scrollIntoView({ block: "nearest" });
        this.#on.light(this.#active);
    }

    #mark() {
        const there = this.#rows.some((row) => row.segment === this.#active);
        if (there) {
            this.#element.setAttribute("aria-activedescendant", `segment-${this.#active}`);
        } else {
            this.#element.removeAttribute("aria-activedescendant");
        }
        for (const row of this.#rows) {
            row.element.classList.toggle("active", row.segment === this.#active);
        }
    }
}

// "3.1 %", "under 0.1 %"
export function percent(share) {
    return share > 0 && share < 0.001 ? "under 0.1 %" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

// What a segment is called: its name, where it has one.
export function titleOf({ segment, name }) {
    return name ? name.name : `Segment ${segment}`;
}

export function describe(entry) {
    const words = [...(entry.name ? [entry.name.name] : []), `Segment ${entry.segment}`,
                   `${percent(entry.share)} of the photo`];
    return [...words, entry.merged ? "merged" : "", entry.hidden ? "hidden" : ""].filter(Boolean).join(", ");
}
