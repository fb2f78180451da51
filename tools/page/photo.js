/*
 * photo.js - a photo for the screen: never more pixels than a screen shows, however large the file. The file itself is
 * kept for what is downloaded at full size.
 */
const SCREEN_SIDE = 2560; // pixels of the longer side

// {blob, name, width, height, bitmap}: width and height are the file's, turned as EXIF says, bitmap may be smaller.
export async function openPhoto(blob, name) {
    let full;
    try {
        full = await createImageBitmap(blob);
    } catch {
        return null; // not for a browser to show; the server says what is wrong with it
    }
    const { width, height } = full;
    const scale = SCREEN_SIDE / Math.max(width, height);
    if (scale >= 1) {
        return { blob, name, width, height, bitmap: full };
    }
    const bitmap = await createImageBitmap(full, {
        resizeWidth: Math.max(1, Math.round(width * scale)),
        resizeHeight: Math.max(1, Math.round(height * scale)),
        resizeQuality: "high",
    });
    full.close();
    return { blob, name, width, height, bitmap };
}

// "holiday.photo.jpg" -> "holiday.photo"
export function stem(name) {
    return name.replace(/^.*[/\\]/, "").replace(/\.[^.]+$/, "") || "photo";
}
