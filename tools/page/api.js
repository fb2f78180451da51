/*
 * api.js - the server's answers, and its refusals in plain words.
 *
 * Every request of the page goes through ask(). A failure is a Failure with a message for people and the server's code.
 */
export class Failure extends Error {
    constructor(code, message) {
        super(message);
        this.code = code;
    }
}

// Where the server's own words are for programs. The others (what is wrong with a photo, with a value) are passed on.
const PLAIN_WORDS = {
    unreachable: "The server does not answer. Is “diffcut serve” still running?",
    no_token: "The server asks for its token: open its address with ?token= and the token at the end.",
    queue_full: "The server is busy with other photos. Try again in a moment.",
    busy: "The server is busy with other photos. Try again in a moment.",
    no_tree: "The server no longer has this photo: it had to make room. Open the photo again.",
    no_job: "The server no longer knows of this computation. Open the photo again.",
};

async function failureOf(response) {
    let error = null;
    try {
        ({ error } = await response.json());
    } catch {
        // not JSON: the status is all there is
    }
    const code = error?.code ?? "status";
    return new Failure(code, PLAIN_WORDS[code] ?? error?.message ?? `The server answered ${response.status}.`);
}

// The response of a request that succeeded. path: relative to the page. options: as fetch takes them.
export async function ask(path, options = {}) {
    let response;
    try {
        response = await fetch(path, { ...options, cache: "no-store" });
    } catch (error) {
        if (error.name === "AbortError") {
            throw error;
        }
        throw new Failure("unreachable", PLAIN_WORDS.unreachable);
    }
    if (!response.ok) {
        throw await failureOf(response);
    }
    return response;
}

export async function askJson(path, options) {
    return (await ask(path, options)).json();
}

// A map of numbers: {width, height, data} of little-endian 16-bit or of 8-bit ones.
async function askMap(path, options, Kind) {
    const response = await ask(path, options);
    const width = Number(response.headers.get("X-Width"));
    const height = Number(response.headers.get("X-Height"));
    const bytes = await response.arrayBuffer();
    if (!(width > 0 && height > 0) || bytes.byteLength !== width * height * Kind.BYTES_PER_ELEMENT) {
        throw new Failure("broken", "The server's answer was cut short.");
    }
    return { width, height, data: new Kind(bytes) };
}

export const askMap16 = (path, options) => askMap(path, options, Uint16Array);
export const askMap8 = (path, options) => askMap(path, options, Uint8Array);

// "?a=1&b=2" of what is neither null nor undefined.
export function query(values) {
    const pairs = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
    return pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : "";
}
