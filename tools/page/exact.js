/*
 * exact.js - asks the server for the exact label map once the slider rests: debounced, and given up for the next one.
 * What the slider shows until then is the finest cut's map with its segments joined, which differs at borders only.
 */
import { askMap16, query } from "./api.js";

const REST_MS = 220; // that the slider must rest
const KEPT = 12; // maps, so that undo shows them at once

export class ExactMaps {
    #timer = 0;
    #running = null;
    #kept = new Map(); // by path, the latest last

    // wanted: {tree, tau, refine, iterations, width}. Calls done(map) or failed(error), unless another is wanted
    // before.
    want(wanted, done, failed) {
        const { tree, tau, refine, iterations, width } = wanted;
        const values = { tau, refine: Number(refine), iterations: refine ? iterations : null, width, format: "raw16" };
        const path = `v1/trees/${tree.id}/labels${query(values)}`;
        this.stop();
        if (this.#kept.has(path)) {
            done(this.#kept.get(path));
            return;
        }
        this.#timer = setTimeout(() => this.#ask(path, done, failed), REST_MS);
    }

    async #ask(path, done, failed) {
        const running = new AbortController();
        this.#running = running;
        try {
            const map = await askMap16(path, { signal: running.signal });
            this.#kept.set(path, map);
            if (this.#kept.size > KEPT) {
                this.#kept.delete(this.#kept.keys().next().value);
            }
            if (!running.signal.aborted) {
                done(map);
            }
        } catch (error) {
            if (!running.signal.aborted) {
                failed(error);
            }
        }
    }

    stop() {
        clearTimeout(this.#timer);
        this.#running?.abort();
        this.#running = null;
    }

    // For another photo.
    forget() {
        this.stop();
        this.#kept.clear();
    }
}
