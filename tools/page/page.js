/*
 * page.js - the few ways in which the modules touch the page.
 */
export const byId = (id) => document.getElementById(id);

// For people who listen: said when nothing else is being said.
export function announce(words) {
    byId("announcer").textContent = words;
}

// Puts a message in its place, or takes it away (null).
export function showError(id, message) {
    const place = byId(id);
    place.textContent = message ?? "";
    place.hidden = !message;
}

export const isAbort = (error) => error.name === "AbortError";
