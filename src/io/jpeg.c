/*
 * jpeg.c - JPEG to RGB through libjpeg-turbo (ITU-T T.81; the Adobe marker's meaning from Adobe's technote 5116).
 *
 * libjpeg reports errors by a callback that must not return: it jumps back to decode_guarded. Everything that has to
 * outlive the jump is in jpeg_reader, whose address is taken, so no local variable is at risk. What libjpeg calls
 * warnings is an error here where it means that pixels are missing or made up. Called by image.c.
 */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

#include "core/memory.h"
#include "io/exif.h"
#include "io/image.h"

/* A progressive file may hold any number of scans, each costing a pass over the picture. Encoders make about ten,
 * exhaustive optimisers up to some sixty. */
#define JPEG_MAX_SCANS 100

typedef struct jpeg_reader {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    uint64_t max_pixels;
    uint8_t *row; /* of CMYK, (width, 4) */
    diffcut_image image;
    int orientation;
    diffcut_status status;
    diffcut_diagnostics *diag;
} jpeg_reader;

static jpeg_reader *reader_of(j_common_ptr cinfo) {
    return cinfo->client_data;
}

static _Noreturn void reader_escape(jpeg_reader *reader, diffcut_status status) {
    reader->status = status;
    longjmp(reader->escape, 1);
}

/* libjpeg's text of the current message. */
static _Noreturn void reader_escape_text(jpeg_reader *reader, diffcut_status status, const char *prefix) {
    char text[JMSG_LENGTH_MAX];
    reader->errors.format_message((j_common_ptr)&reader->cinfo, text);
    reader_escape(reader, diag_fail(reader->diag, status, "%s: %s", prefix, text));
}

static _Noreturn void on_error(j_common_ptr cinfo) {
    jpeg_reader *reader = reader_of(cinfo);
    switch (cinfo->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        reader_escape_text(reader, DIFFCUT_ERROR_MEMORY, "no memory to decode the JPEG");
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_COMPONENT_COUNT:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
        reader_escape_text(reader, DIFFCUT_ERROR_UNSUPPORTED, "a kind of JPEG that is not supported");
    default:
        reader_escape_text(reader, DIFFCUT_ERROR_FORMAT, "corrupt JPEG");
    }
}

/* level -1 is a warning, 0 and more are traces. The warnings not listed (stray bytes between segments, an odd JFIF
 * version, scans in an unusual order) leave the picture whole. */
static void on_message(j_common_ptr cinfo, int level) {
    if (level >= 0) {
        return;
    }
    jpeg_reader *reader = reader_of(cinfo);
    switch (cinfo->err->msg_code) {
    case JWRN_JPEG_EOF:
        reader_escape(reader,
                      diag_fail(reader->diag, DIFFCUT_ERROR_FORMAT, "truncated JPEG: the file ends too soon"));
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        reader_escape_text(reader, DIFFCUT_ERROR_FORMAT, "truncated or corrupt JPEG");
    default:
        return;
    }
}

static void on_progress(j_common_ptr cinfo) {
    jpeg_reader *reader = reader_of(cinfo);
    int scan = reader->cinfo.input_scan_number;
    if (scan > JPEG_MAX_SCANS) {
        reader_escape(reader, diag_fail(reader->diag, DIFFCUT_ERROR_LIMIT,
                                        "the JPEG has more than %d progressive scans", JPEG_MAX_SCANS));
    }
}

/* CMYK to RGB without colour management: each ink, and black, takes its share of the light. Files with an Adobe
 * marker hold the inverse: what is left of the light. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint32_t width, bool inverted, uint8_t *rgb) {
    for (uint32_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        uint32_t black = inverted ? cmyk[3] : 255U - cmyk[3];
        for (int c = 0; c < 3; c++) {
            uint32_t light = inverted ? cmyk[c] : 255U - cmyk[c];
            rgb[c] = (uint8_t)((light * black + 127) / 255);
        }
    }
}

static int file_orientation(const struct jpeg_decompress_struct *cinfo) {
    for (jpeg_saved_marker_ptr marker = cinfo->marker_list; marker != NULL; marker = marker->next) {
        static const char exif[6] = "Exif\0";
        bool is_exif = marker->marker == JPEG_APP0 + 1 && marker->data_length > sizeof exif;
        for (size_t i = 0; is_exif && i < sizeof exif; i++) {
            is_exif = marker->data[i] == (uint8_t)exif[i];
        }
        if (is_exif) { /* APP1 is XMP's, too */
            return exif_orientation(marker->data, marker->data_length);
        }
    }
    return EXIF_ORIENTATION_NORMAL;
}

static void read_header(jpeg_reader *reader) {
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;
    (void)jpeg_read_header(cinfo, TRUE);
    diffcut_status status =
        image_check_size(cinfo->image_width, cinfo->image_height, reader->max_pixels, reader->diag);
    if (status != DIFFCUT_OK) {
        reader_escape(reader, status);
    }
    bool four_inks = cinfo->jpeg_color_space == JCS_CMYK || cinfo->jpeg_color_space == JCS_YCCK;
    cinfo->out_color_space = four_inks ? JCS_CMYK : JCS_RGB;
    reader->orientation = file_orientation(cinfo);
    status = image_allocate(cinfo->image_width, cinfo->image_height, &reader->image, reader->diag);
    if (status != DIFFCUT_OK) {
        reader_escape(reader, status);
    }
    if (four_inks) {
        reader->row = mem_array(cinfo->image_width, 4);
        if (reader->row == NULL) {
            reader_escape(reader, diag_no_memory(reader->diag, (size_t)cinfo->image_width * 4, "a row of CMYK"));
        }
    }
}

static void read_pixels(jpeg_reader *reader) {
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;
    (void)jpeg_start_decompress(cinfo);
    while (cinfo->output_scanline < cinfo->output_height) {
        uint8_t *rgb = reader->image.rgb + (size_t)cinfo->output_scanline * cinfo->output_width * 3;
        JSAMPROW rows[1] = {reader->row != NULL ? reader->row : rgb};
        if (jpeg_read_scanlines(cinfo, rows, 1) == 1 && reader->row != NULL) {
            cmyk_to_rgb(reader->row, cinfo->output_width, cinfo->saw_Adobe_marker, rgb);
        }
    }
    (void)jpeg_finish_decompress(cinfo);
}

static void decode_guarded(jpeg_reader *reader, const uint8_t *data, size_t size) {
    if (setjmp(reader->escape) != 0) {
        return; /* reader->status says why */
    }
    jpeg_create_decompress(&reader->cinfo);
    reader->cinfo.client_data = reader;
    reader->cinfo.progress = &reader->progress;
    jpeg_save_markers(&reader->cinfo, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(&reader->cinfo, data, size);
    read_header(reader);
    read_pixels(reader);
}

diffcut_status image_decode_jpeg(const uint8_t *data, size_t size, uint64_t max_pixels, diffcut_image *out,
                                 int *orientation, diffcut_diagnostics *diag) {
    jpeg_reader reader = {.max_pixels = max_pixels, .status = DIFFCUT_OK, .diag = diag};
    reader.cinfo.err = jpeg_std_error(&reader.errors);
    reader.cinfo.client_data = &reader; /* jpeg_create_decompress keeps it; errors may come before it returns */
    reader.errors.error_exit = on_error;
    reader.errors.emit_message = on_message;
    reader.progress.progress_monitor = on_progress;
    decode_guarded(&reader, data, size);
    jpeg_destroy_decompress(&reader.cinfo);
    mem_free(reader.row);
    if (reader.status != DIFFCUT_OK) {
        diffcut_image_free(&reader.image);
        return reader.status;
    }
    *out = reader.image;
    *orientation = reader.orientation;
    return DIFFCUT_OK;
}
