/*
 * app.js - where the page begins: what the server is, its samples, and a photo's way in: chosen, dropped, pasted or a
 * sample; computed by the server with its progress shown; then handed to the controls.
 */
import { ask, askJson } from "./api.js";
import { Controls } from "./controls.js";
import { computeTree } from "./job.js";
import { announce, byId, isAbort, showError } from "./page.js";
import { openPhoto } from "./photo.js";

// What is said of a stage, and about which part of the whole is done when it begins and when it ends.
const STAGES = {
    features: ["Looking at the photo", 0, 0.8],
    affinity: ["Comparing its patches", 0.8, 0.9],
    cut: ["Cutting it into regions", 0.9, 1],
};

const controls = new Controls();
let server = null; // GET /v1/info
let opening = null; // the photo on its way: {abort, blob, name}
let again = null; // what "Try again" does

/* --------------------------------------------------------------------------------------------- the server */

async function meetServer() {
    try {
        server = await askJson("v1/info");
    } catch (error) {
        openFailed(error.message, meetServer);
        return;
    }
    openFailed(null);
    byId("about").textContent = `${server.model.name} · version ${server.version}`;
    controls.setIterations(server.iterations);
    controls.offer(server);
    byId("limits").textContent = `JPEG, PNG or WebP${limitsText(server.limits)}. It goes to this server only.`;
    showSamples(server.samples ?? []);
}

function limitsText({ max_body_bytes: bytes, max_pixels: pixels }) {
    return ` up to ${bytesText(bytes)} and ${Math.floor(pixels / 1e6)} megapixels`;
}

// Limits are rounded down, what is above one is rounded up.
function bytesText(bytes, round = Math.floor) {
    return bytes >= 1 << 20 ? `${round(bytes / (1 << 20))} MB` : `${round(bytes / 1024)} kB`;
}

async function showSamples(samples) {
    const list = byId("samples");
    for (const { name } of samples) {
        const button = document.createElement("button");
        const image = document.createElement("img");
        image.alt = "";
        button.append(image, name.replace(/\.[^.]+$/, ""));
        const item = document.createElement("li");
        item.append(button);
        list.append(item);
        fetchSample(name).then((blob) => (image.src = URL.createObjectURL(blob))).catch(() => item.remove());
        button.addEventListener("click", () => openSample(name));
    }
    byId("samples-area").hidden = samples.length === 0;
}

async function fetchSample(name) {
    return (await ask(`v1/samples/${encodeURIComponent(name)}`)).blob();
}

async function openSample(name) {
    try {
        await open(await fetchSample(name), name);
    } catch (error) {
        openFailed(error.message, () => openSample(name));
    }
}

/* --------------------------------------------------------------------------------------------- a photo's way in */

// What keeps a photo from being sent at all, or null.
function refusal(blob) {
    const most = server?.limits.max_body_bytes;
    if (blob.size === 0) {
        return "That file is empty.";
    }
    if (most && blob.size > most) {
        return `That file has ${bytesText(blob.size, Math.ceil)}; this server takes at most ${bytesText(most)}.`;
    }
    return null;
}

function tooManyPixels(photo) {
    const most = server?.limits.max_pixels;
    return most && photo.width * photo.height > most
        ? `That photo has ${photo.width} × ${photo.height} pixels; this server takes at most ` +
          `${Math.floor(most / 1e6)} megapixels.` : null;
}

async function open(blob, name) {
    opening?.abort.abort();
    const abort = new AbortController();
    opening = { abort };
    openFailed(null);
    const refused = refusal(blob);
    if (refused !== null) {
        openFailed(refused);
        return;
    }
    const photo = await openPhoto(blob, name);
    if (abort.signal.aborted) {
        return;
    }
    const large = photo === null ? null : tooManyPixels(photo);
    if (large !== null) {
        openFailed(large);
        return;
    }
    showComputing(photo);
    try {
        const id = await computeTree(blob, {}, abort.signal, showJob);
        const loaded = await controls.load(id, abort.signal);
        if (photo === null) {
            throw new Error("This browser cannot show that photo.");
        }
        controls.begin(photo, loaded, server?.model.tau ?? 0.5);
        leaveComputing();
        byId("history").hidden = false;
        byId("tau").focus({ preventScroll: true, focusVisible: false });
    } catch (error) {
        if (opening.abort === abort) {
            backFrom(isAbort(error) ? null : error, () => open(blob, name));
        }
    }
}

function showComputing(photo) {
    document.body.classList.add("computing");
    byId("welcome").hidden = true;
    byId("work").hidden = false;
    byId("panel").inert = true;
    byId("progress").hidden = false;
    byId("layers").hidden = photo === null;
    byId("progress-stage").textContent = "Sending the photo";
    byId("progress-bar").removeAttribute("value");
    if (photo !== null) {
        controls.preview(photo);
    }
    byId("cancel").focus({ preventScroll: true, focusVisible: false });
    announce("Computing the photo's regions");
}

function leaveComputing() {
    document.body.classList.remove("computing");
    byId("panel").inert = false;
    byId("progress").hidden = true;
    byId("layers").hidden = false;
}

// Cancelled (null) or failed: to the photo before, or to the empty page. retry: for what may pass.
function backFrom(error, retry) {
    leaveComputing();
    if (controls.photo !== null) {
        controls.restore();
    } else {
        byId("work").hidden = true;
        byId("welcome").hidden = false;
    }
    if (error !== null) {
        const passing = ["unreachable", "queue_full", "busy", "no_job", "out_of_memory"].includes(error.code);
        openFailed(error.message, passing ? retry : null);
    } else {
        announce("Cancelled");
        byId("file").focus({ preventScroll: true, focusVisible: false });
    }
}

function showJob(job) {
    const words = job.state === "queued"
        ? (job.position > 1 ? `Waiting: number ${job.position} in line` : "Waiting: next in line")
        : (STAGES[job.stage]?.[0] ?? "Opening the photo");
    if (byId("progress-stage").textContent !== words) {
        byId("progress-stage").textContent = words;
        announce(words);
    }
    if (job.state === "running" && job.stage in STAGES) {
        const [, begin, end] = STAGES[job.stage];
        byId("progress-bar").value = begin + (end - begin) * job.fraction;
    } else if (job.state === "queued") {
        byId("progress-bar").removeAttribute("value");
    }
}

// message: null takes it away. retry: what trying again does, null where that makes no sense.
function openFailed(message, retry = null) {
    again = retry;
    (byId("welcome").hidden ? byId("notice") : byId("drop")).append(byId("open-error"), byId("open-retry"));
    showError("open-error", message);
    byId("open-retry").hidden = retry === null;
}

/* --------------------------------------------------------------------------------------------- wiring */

function openFirst(files) {
    const photo = [...files].find((file) => file.type.startsWith("image/")) ?? files[0];
    if (photo !== undefined) {
        open(photo, photo.name);
    }
}

byId("file").addEventListener("change", (event) => {
    openFirst(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
});
byId("cancel").addEventListener("click", () => opening?.abort.abort());
byId("open-retry").addEventListener("click", () => again?.());

byId("dismiss").addEventListener("click", () => openFailed(null));

let depth = 0; // of elements that a dragged file is over
function dragging(change) {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
}
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => hasFiles(event) && dragging(1));
addEventListener("dragleave", (event) => hasFiles(event) && dragging(-1));
addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
    if (hasFiles(event)) {
        event.preventDefault();
        dragging(-depth);
        openFirst(event.dataTransfer.files);
    }
});
addEventListener("paste", (event) => openFirst(event.clipboardData?.files ?? []));

meetServer();
