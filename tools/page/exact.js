/*
 * exact.js - asks the server for the exact label map once the slider rests: debounced, and given up for the next one.
 * What the slider shows until then is the finest cut's map with its segments joined, which differs at borders only.
 */
import { askMap16, query } from "./api.js";
import { Latest } from "./latest.js";

const REST_MS = 220; // that the slider must rest

export class ExactMaps {
    #latest = new Latest();

    // wanted: {tree, tau, refine, iterations, width}. Calls done(map) or failed(error), unless another is wanted
    // before.
    want(wanted, done, failed) {
        const { tree, tau, refine, iterations, width } = wanted;
        const values = { tau, refine: Number(refine), iterations: refine ? iterations : null, width, format: "raw16" };
        const path = `v1/trees/${tree.id}/labels${query(values)}`;
        this.#latest.want(path, REST_MS, (signal) => askMap16(path, { signal }), done, failed);
    }

    stop() {
        this.#latest.stop();
    }

    // For another photo.
    forget() {
        this.#latest.forget();
    }
}
