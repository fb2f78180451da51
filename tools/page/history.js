/*
 * history.js - undo and redo over states that are never changed in place.
 */
const MOST = 200; // states kept; each holds two small arrays of its own

export class History {
    #states = [];
    #at = -1;
    #kind = null; // what the last step was about, and when: steps of a kind in quick succession are one
    #when = 0;

    get current() {
        return this.#states[this.#at];
    }

    get canUndo() {
        return this.#at > 0;
    }

    get canRedo() {
        return this.#at + 1 < this.#states.length;
    }

    // Begins anew with one state.
    reset(state) {
        this.#states = [state];
        this.#at = 0;
        this.#kind = null;
    }

    // kind: steps of one kind less than a second apart are undone together (arrow keys on the slider); null: never.
    push(state, kind = null, now = performance.now()) {
        const joins = kind !== null && kind === this.#kind && now - this.#when < 1000 && this.#at > 0;
        this.#states.length = this.#at + (joins ? 0 : 1);
        this.#states.push(state);
        if (this.#states.length > MOST) {
            this.#states.shift();
        }
        this.#at = this.#states.length - 1;
        this.#kind = kind;
        this.#when = now;
    }

    undo() {
        this.#kind = null;
        return this.canUndo ? this.#states[--this.#at] : null;
    }

    redo() {
        this.#kind = null;
        return this.canRedo ? this.#states[++this.#at] : null;
    }
}
