/*
 * stage.js - the photo on its stage: layers of canvases that are zoomed and moved together, and where on the photo a
 * person points, with a mouse, fingers, or the keys.
 *
 * Places are given in parts of the photo's width and height, 0 .. 1. The stage calls
 *   point(place or null)   the pointer, or the keyboard's cross, is over the photo, or left it
 *   press(place)           clicked, tapped, or Enter at the cross
 */
const STEP = 1.25; // of one zoom step
const MOST = 24; // times the size that fits
const CLICK_REACH = 5; // pixels that a pointer may stray in a click
const MARGIN = 12; // pixels around the photo that fits
const CROSS_STEPS = 40; // of the cross, across the longer side

export class Stage {
    #element;
    #layers;
    #cross;
    #on;
    #photo = { width: 1, height: 1 };
    #scale = 1;
    #x = 0; // of the layers' corner
    #y = 0;
    #fitted = true;
    #pointers = new Map();
    #strayed = false;
    #crossAt = null;

    constructor(element, layers, cross, on) {
        this.#element = element;
        this.#layers = layers;
        this.#cross = cross;
        this.#on = on;
        new ResizeObserver(() => (this.#fitted ? this.fit() : this.#place())).observe(element);
        element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
        element.addEventListener("pointerdown", (event) => this.#down(event));
        element.addEventListener("pointermove", (event) => this.#move(event));
        element.addEventListener("pointerup", (event) => this.#up(event));
        element.addEventListener("pointercancel", (event) => this.#forget(event));
        element.addEventListener("pointerleave", () => this.#on.point(null, null));
        element.addEventListener("keydown", (event) => this.#key(event));
        element.addEventListener("blur", () => this.#hideCross());
    }

    // A photo of this size comes on; its layers are stretched over it.
    show(width, height) {
        this.#photo = { width, height };
        this.#layers.style.width = `${width}px`;
        this.#layers.style.height = `${height}px`;
        this.#crossAt = null;
        this.#hideCross();
        this.fit();
    }

    fit() {
        this.#fitted = true;
        this.#scale = this.#fitScale();
        this.#place();
    }

    zoom(steps) {
        this.#zoomAt(this.#element.clientWidth / 2, this.#element.clientHeight / 2, STEP ** steps);
    }

    #fitScale() {
        const width = Math.max(1, this.#element.clientWidth - 2 * MARGIN);
        const height = Math.max(1, this.#element.clientHeight - 2 * MARGIN);
        return Math.min(width / this.#photo.width, height / this.#photo.height);
    }

    // x and y of the stage stay where they are on the photo.
    #zoomAt(x, y, factor) {
        const least = this.#fitScale();
        const scale = Math.min(least * MOST, Math.max(least, this.#scale * factor));
        const ratio = scale / this.#scale;
        this.#x = x - (x - this.#x) * ratio;
        this.#y = y - (y - this.#y) * ratio;
        this.#scale = scale;
        this.#fitted = scale <= least * 1.001;
        this.#place();
    }

    // Keeps the photo in the middle where it is smaller than the stage, and no gap beside it where it is larger.
    #place() {
        const inside = (at, size, room) =>
            size <= room - 2 * MARGIN ? (room - size) / 2 : Math.min(MARGIN, Math.max(room - MARGIN - size, at));
        this.#x = inside(this.#x, this.#photo.width * this.#scale, this.#element.clientWidth);
        this.#y = inside(this.#y, this.#photo.height * this.#scale, this.#element.clientHeight);
        this.#layers.style.transform = `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
        this.#placeCross();
    }

    #placeAt(event) {
        const box = this.#element.getBoundingClientRect();
        const u = (event.clientX - box.left - this.#x) / (this.#photo.width * this.#scale);
        const v = (event.clientY - box.top - this.#y) / (this.#photo.height * this.#scale);
        return u >= 0 && u < 1 && v >= 0 && v < 1 ? { u, v } : null;
    }

    #wheel(event) {
        event.preventDefault();
        const box = this.#element.getBoundingClientRect();
        const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * 30; // lines or pages
        this.#zoomAt(event.clientX - box.left, event.clientY - box.top, Math.exp(-pixels / 400));
    }

    #down(event) {
        if (event.button !== 0) {
            return;
        }
        this.#element.setPointerCapture(event.pointerId);
        this.#strayed = this.#pointers.size > 0;
        const { clientX: x, clientY: y } = event;
        this.#pointers.set(event.pointerId, { x, y, fromX: x, fromY: y });
        this.#hideCross();
    }

    #move(event) {
        const pointer = this.#pointers.get(event.pointerId);
        if (pointer === undefined) {
            this.#on.point(this.#placeAt(event), event);
            return;
        }
        const before = this.#span();
        const movedX = event.clientX - pointer.x;
        const movedY = event.clientY - pointer.y;
        pointer.x = event.clientX;
        pointer.y = event.clientY;
        this.#strayed ||= Math.hypot(pointer.x - pointer.fromX, pointer.y - pointer.fromY) > CLICK_REACH;
        if (this.#strayed) {
            this.#on.point(null, null);
            this.#x += movedX / this.#pointers.size;
            this.#y += movedY / this.#pointers.size;
            const after = this.#span();
            const box = this.#element.getBoundingClientRect();
            this.#zoomAt(after.x - box.left, after.y - box.top, before.length > 0 ? after.length / before.length : 1);
        }
    }

    // The middle of the pointers that are down, and the distance of two.
    #span() {
        const [a, b] = this.#pointers.values();
        return b === undefined ? { x: a.x, y: a.y, length: 0 }
            : { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, length: Math.hypot(a.x - b.x, a.y - b.y) };
    }

    #up(event) {
        const known = this.#pointers.has(event.pointerId);
        this.#forget(event);
        const place = this.#placeAt(event);
        if (known && !this.#strayed && place !== null) {
            this.#on.press(place);
        }
    }

    #forget(event) {
        this.#pointers.delete(event.pointerId);
    }

    /* ------------------------------------------------------------------------------------------- keys */

    #key(event) {
        const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        if (event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        if (event.key in arrows) {
            const [dx, dy] = arrows[event.key];
            if (event.shiftKey) {
                this.#x -= dx * 60;
                this.#y -= dy * 60;
                this.#place();
            } else {
                this.#moveCross(dx, dy);
            }
        } else if ((event.key === "Enter" || event.key === " ") && this.#crossAt !== null) {
            this.#on.press(this.#crossAt);
        } else if (event.key === "+" || event.key === "=") {
            this.zoom(1);
        } else if (event.key === "-") {
            this.zoom(-1);
        } else if (event.key === "0") {
            this.fit();
        } else {
            return;
        }
        event.preventDefault();
    }

    #moveCross(dx, dy) {
        const { width, height } = this.#photo;
        const step = Math.max(width, height) / CROSS_STEPS;
        const clamp = (value) => Math.min(0.9999, Math.max(0, value));
        const from = this.#crossAt ?? { u: 0.5, v: 0.5 };
        this.#crossAt = { u: clamp(from.u + (dx * step) / width), v: clamp(from.v + (dy * step) / height) };
        this.#cross.hidden = false;
        this.#placeCross();
        const box = this.#element.getBoundingClientRect();
        const at = { clientX: box.left + this.#screenX(), clientY: box.top + this.#screenY(), keys: true };
        this.#on.point(this.#crossAt, at);
    }

    #screenX() {
        return this.#x + this.#crossAt.u * this.#photo.width * this.#scale;
    }

    #screenY() {
        return this.#y + this.#crossAt.v * this.#photo.height * this.#scale;
    }

    #placeCross() {
        if (this.#crossAt !== null) {
            this.#cross.style.transform = `translate(${this.#screenX()}px, ${this.#screenY()}px)`;
        }
    }

    #hideCross() {
        this.#cross.hidden = true;
        this.#on.point(null, null);
    }
}
