/*
 * job.js - a photo on its way through the server: handed in, watched, cancelled.
 *
 * Progress comes as server-sent events, read from a fetch rather than an EventSource so that it says why it
 * fails and can be aborted; where that stream ends early, the job is asked for twice a second.
 */
import { Failure, ask, askJson, query } from "./api.js";

const POLL_MS = 500;
const ended = (job) => ["done", "failed", "cancelled"].includes(job.state);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Calls report(job) for each event; returns the last one, or null when there was none.
async function followEvents(id, signal, report) {
    const response = await ask(`v1/jobs/${id}/events`, { signal, headers: { Accept: "text/event-stream" } });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let job = null;
    for (;;) {
        const { value, done } = await reader.read();
        if (done) {
            return job;
        }
        text += value.replaceAll("\r", "");
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
            const lines = text.slice(0, end).split("\n").filter((line) => line.startsWith("data:"));
            text = text.slice(end + 2);
            if (lines.length > 0) {
                job = JSON.parse(lines.map((line) => line.slice(5)).join("\n"));
                report(job);
            }
        }
    }
}

async function follow(id, signal, report) {
    let job = null;
    try {
        job = await followEvents(id, signal, report);
    } catch (error) {
        if (signal.aborted) {
            throw error;
        }
    }
    while (job === null || !ended(job)) {
        job = await askJson(`v1/jobs/${id}`, { signal });
        report(job);
        if (!ended(job)) {
            await pause(POLL_MS);
        }
    }
    return job;
}

// The id of the photo's tree. settings: {alpha, max_tau, ...}, null for the server's own. Aborting the signal cancels
// the job on the server and throws an AbortError.
export async function computeTree(blob, settings, signal, report) {
    const { id } = await askJson(`v1/jobs${query(settings)}`, {
        method: "POST",
        body: blob,
        signal,
        headers: { "Content-Type": "application/octet-stream" }, // the server tells the kind from the content
    });
    const cancel = () => ask(`v1/jobs/${id}`, { method: "DELETE" }).catch(() => {}); // gone is as good
    signal.addEventListener("abort", cancel, { once: true });
    try {
        signal.throwIfAborted();
        const job = await follow(id, signal, report);
        if (job.state === "cancelled") {
            throw new Failure("cancelled", "The server stopped the computation.");
        }
        if (job.state === "failed") {
            throw new Failure(job.error?.code ?? "failed", job.error?.message ?? "The computation failed.");
        }
        return job.tree;
    } finally {
        signal.removeEventListener("abort", cancel);
    }
}
