/*
 * png.js - PNG files, row by row (PNG specification, third edition). The browser's CompressionStream makes the zlib
 * stream; what is left is chunks, checksums and filters. Kinds: palette and 16-bit grey for label maps (which a canvas
 * cannot write), RGB for overlays, RGBA for cut-outs (a canvas would lose the colours of what is half transparent).
 */
export const PNG_GREY16 = { color: 0, depth: 16, bytes: 2, filter: 0 };
export const PNG_RGB = { color: 2, depth: 8, bytes: 3, filter: 4 };
export const PNG_PALETTE = { color: 3, depth: 8, bytes: 1, filter: 0 };
export const PNG_RGBA = { color: 6, depth: 8, bytes: 4, filter: 4 };

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) {
        byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
    }
    return byte;
});

export function crc32(bytes, crc = 0) {
    crc = ~crc;
    for (let i = 0; i < bytes.length; i++) {
        crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
    }
    return ~crc >>> 0;
}

// Length, type, data and checksum as parts of a Blob.
function chunk(type, data) {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint32(0, data.length);
    for (let i = 0; i < 4; i++) {
        head[4 + i] = type.charCodeAt(i);
    }
    const tail = new Uint8Array(4);
    new DataView(tail.buffer).setUint32(0, crc32(data, crc32(head.subarray(4))));
    return [head, data, tail];
}

function header(kind, width, height) {
    const data = new Uint8Array(13);
    const view = new DataView(data.buffer);
    view.setUint32(0, width);
    view.setUint32(4, height);
    data[8] = kind.depth;
    data[9] = kind.color;
    return chunk("IHDR", data);
}

// Paeth's predictor (filter 4) of a row, above being the one before it.
function filterPaeth(row, above, bytes, out, at) {
    for (let i = 0; i < row.length; i++) {
        const left = i >= bytes ? row[i - bytes] : 0;
        const up = above[i];
        const corner = i >= bytes ? above[i - bytes] : 0;
        const toLeft = Math.abs(up - corner);
        const toUp = Math.abs(left - corner);
        const toCorner = Math.abs(left + up - 2 * corner);
        const predicted = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
        out[at + i] = row[i] - predicted;
    }
}

const BAND_BYTES = 1 << 20; // rows are handed to the compressor in bands of about this size

async function writeRows(writer, kind, width, height, rowAt) {
    const stride = width * kind.bytes;
    const rowsPerBand = Math.max(1, Math.floor(BAND_BYTES / (stride + 1)));
    const above = new Uint8Array(stride);
    for (let top = 0; top < height; top += rowsPerBand) {
        const rows = Math.min(rowsPerBand, height - top);
        const band = new Uint8Array(rows * (stride + 1));
        for (let y = 0; y < rows; y++) {
            const row = rowAt(top + y);
            const at = y * (stride + 1);
            band[at] = kind.filter;
            if (kind.filter === 4) {
                filterPaeth(row, above, kind.bytes, band, at + 1);
                above.set(row);
            } else {
                band.set(row, at + 1);
            }
        }
        await writer.write(band);
    }
    await writer.close();
}

// rowAt(y) gives row y's bytes (samples of 16 bits high byte first), valid until the next call; rows are asked for in
// order. palette: (count, 3) bytes for PNG_PALETTE.
export async function encodePng(kind, width, height, rowAt, palette = null) {
    const stream = new CompressionStream("deflate");
    const compressed = new Response(stream.readable).arrayBuffer();
    const written = writeRows(stream.writable.getWriter(), kind, width, height, rowAt);
    const [data] = await Promise.all([compressed, written]);
    const parts = [new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), ...header(kind, width, height)];
    if (palette !== null) {
        parts.push(...chunk("PLTE", palette));
    }
    parts.push(...chunk("IDAT", new Uint8Array(data)), ...chunk("IEND", new Uint8Array(0)));
    return new Blob(parts, { type: "image/png" });
}
