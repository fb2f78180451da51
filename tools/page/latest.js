/*
 * latest.js - one question at a time to the server: asked once things rest, given up for the next one; the last answers
 * are kept, so that undo shows them at once.
 */
const KEPT = 12;

export class Latest {
    #timer = 0;
    #running = null;
    #kept = new Map(); // by key, the latest last

    has(key) {
        return this.#kept.has(key);
    }

    // After `rest` milliseconds answer(signal) is called, which asks. Calls done(answer) or failed(error), unless
    // another is wanted before.
    want(key, rest, answer, done, failed) {
        this.stop();
        if (this.#kept.has(key)) {
            done(this.#kept.get(key));
            return;
        }
        this.#timer = setTimeout(() => this.#ask(key, answer, done, failed), rest);
    }

    async #ask(key, answer, done, failed) {
        const running = new AbortController();
        this.#running = running;
        try {
            const came = await answer(running.signal);
            this.#kept.set(key, came);
            if (this.#kept.size > KEPT) {
                this.#kept.delete(this.#kept.keys().next().value);
            }
            if (!running.signal.aborted) {
                done(came);
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
