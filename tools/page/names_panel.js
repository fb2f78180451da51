/*
 * names_panel.js - the part of the panel for names: a list of classes to type or choose, what was found, and whether
 * colours are those of segments or of classes. Shown where the server can name.
 */
import { announce, byId, showError } from "./page.js";
import { Names, classTotals, nameSegments } from "./names.js";
import { percent } from "./list.js";
import { cssColor } from "./palette.js";

const byClass = () => document.querySelector("[name=colours]:checked").value === "classes";

export class NamesPanel {
    #editor;
    #changed;
    #names = new Names();
    #wanted = null;
    #first = true; // of a list: its colours are shown at once, and said
    #made = null; // {answer, segments, names}: for the segments as shown

    // changed() is called where what is drawn has changed.
    constructor(editor, changed) {
        this.#editor = editor;
        this.#changed = changed;
        byId("names-form").addEventListener("submit", (event) => {
            event.preventDefault();
            this.#submit();
        });
        byId("vocabulary").addEventListener("change", () => this.#showFields());
        byId("names-clear").addEventListener("click", () => this.#clear());
        byId("names-retry").addEventListener("click", () => {
            this.#names.stop();
            this.#ask(true);
        });
        for (const radio of document.querySelectorAll("[name=colours]")) {
            radio.addEventListener("change", () => {
                announce(byClass() ? "Colours of classes" : "Colours of segments");
                changed();
            });
        }
    }

    // info: GET /v1/info.
    offer(info) {
        byId("names-block").hidden = info.names !== true;
        byId("names-downloads").hidden = info.names !== true;
        for (const name of info.vocabularies ?? []) {
            byId("vocabulary").append(new Option(name, name));
        }
    }

    // The partition is another one, or the same.
    follow(wanted) {
        this.#wanted = wanted;
        this.#ask(false);
    }

    stop() {
        this.#names.stop();
    }

    forget() {
        this.#names.forget();
        this.#made = null;
        this.#fail(null);
        this.#say("");
    }

    // (segments) name or null; null where there are none.
    get names() {
        const { answer } = this.#names;
        const { state, segments } = this.#editor;
        if (answer === null || state === null || answer.tree !== state.tree) {
            return null;
        }
        if (this.#made?.answer !== answer || this.#made.segments !== segments) {
            this.#made = { answer, segments, names: nameSegments(answer, state.leaves.area, segments) };
        }
        return this.#made.names;
    }

    // (segments) whose number's colour each has, -1 for none; null: its own.
    get colorOf() {
        const { names } = this;
        return names !== null && byClass() ? Int32Array.from(names, (name) => name?.class ?? -1) : null;
    }

    // For a file: what the names are of, null while they are not those of the partition that is shown.
    get result() {
        const { answer, isCurrent } = this.#names;
        const { names } = this;
        return names !== null && isCurrent
            ? { names, clip: answer.clip, classes: answer.classes, background: answer.background, void: answer.unnamed }
            : null;
    }

    // What was found, largest first.
    draw() {
        const { names } = this;
        const { areas, map } = this.#editor;
        byId("names-found").hidden = names === null;
        for (const button of document.querySelectorAll("#names-downloads button")) {
            button.disabled = this.result === null;
        }
        if (names === null) {
            return;
        }
        const rows = classTotals(names, areas).map((total) => {
            const row = document.createElement("li");
            const part = (className, words) => {
                const span = document.createElement("span");
                span.className = className;
                span.textContent = words;
                return span;
            };
            const swatch = part("swatch", "");
            swatch.style.backgroundColor = cssColor(total.class);
            const count = `${total.segments} ${total.segments === 1 ? "segment" : "segments"}`;
            row.append(swatch, part("name", total.name), part("note", count),
                       part("share", percent(total.area / (map.width * map.height))));
            row.title = total.name;
            return row;
        });
        byId("classes-found").replaceChildren(...rows);
    }

    /* ------------------------------------------------------------------------------------------- asking */

    #showFields() {
        byId("own-classes").hidden = byId("vocabulary").value !== "";
    }

    #submit() {
        const vocabulary = byId("vocabulary").value;
        const classes = byId("classes").value.trim().replace(/\s*,$/, "");
        const background = byId("background").value.trim();
        if (vocabulary === "" && classes === "") {
            this.#fail("Type at least one class, for example: sky, tree, dog|puppy");
            byId("classes").focus();
            return;
        }
        this.#names.setList({ ...(vocabulary !== "" ? { vocabulary } : { classes }),
                              ...(background !== "" ? { background } : {}) });
        this.#first = true;
        this.#ask(true);
    }

    #clear() {
        this.#names.setList(null);
        this.#made = null;
        this.#fail(null);
        this.#say("");
        byId("names-clear").disabled = true;
        announce("Names removed");
        this.#changed();
    }

    #ask(now) {
        if (this.#wanted === null) {
            return;
        }
        this.#names.want(this.#wanted, now, {
            begun: () => {
                this.#fail(null);
                this.#say("naming…");
                byId("names-clear").disabled = false;
            },
            done: () => this.#came(),
            failed: (error) => {
                this.#say("");
                this.#fail(error.message, ["unreachable", "queue_full", "busy", "time_limit"].includes(error.code));
                this.#changed();
            },
        });
    }

    #came() {
        const { warnings } = this.#names.answer;
        this.#fail(null);
        this.#say(warnings.join(" "));
        byId("names-clear").disabled = false;
        if (this.#first) {
            this.#first = false;
            document.querySelector("[name=colours][value=classes]").checked = true;
            const found = classTotals(this.names, this.#editor.areas);
            announce(`Named. ${found.slice(0, 5).map(({ name }) => name).join(", ")}` +
                     `${found.length > 5 ? ` and ${found.length - 5} more` : ""}.`);
        }
        this.#changed();
    }

    #say(words) {
        byId("names-state").textContent = words;
    }

    #fail(message, again = false) {
        showError("names-error", message);
        byId("names-retry").hidden = !again;
        byId("classes").setAttribute("aria-invalid", String(message !== null && !again));
    }
}
