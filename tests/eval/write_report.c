/*
 * write_report.c - writes the reports of the made-up results into a folder, for checks from outside.
 * Usage: write_report DIR [PHOTO], PHOTO being shown where the page has photos.
 */
#include <stdio.h>

#include "eval_report.h"
#include "report_fixture.h"

int main(int argc, char **argv) {
    static fixture f;
    diffcut_diagnostics diagnostics = {{0}};
    diffcut_buffer file = {0};
    text table = {0};
    if (argc < 2) {
        return 2;
    }
    fixture_make(&f);
    if (argc > 2 &&
        (diffcut_read_file(argv[2], 0, &file, &diagnostics) != DIFFCUT_OK ||
         diffcut_decode_image(file.data, file.size, argv[2], NULL, &f.photo, &diagnostics) != DIFFCUT_OK)) {
        (void)fprintf(stderr, "%s\n", diagnostics.message);
        return 1;
    }
    const diffcut_status status = eval_report_write(&f.results, argv[1], true, &diagnostics);
    if (status != DIFFCUT_OK) {
        (void)fprintf(stderr, "%s\n", diagnostics.message);
    }
    eval_report_table(&f.results, &table);
    (void)fputs(text_string(&table), stdout);
    text_free(&table);
    diffcut_image_free(&f.photo);
    diffcut_buffer_free(&file);
    return status == DIFFCUT_OK ? 0 : 1;
}
