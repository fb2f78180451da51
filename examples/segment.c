/*
 * segment.c - a photo in, its label map out, with the embedded model:  ./segment rose.jpg rose.png
 *
 *   cc segment.c $(pkg-config --cflags --libs diffcut) -o segment
 */
#include <diffcut/diffcut.h>

#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: segment PHOTO LABELS.png\n");
        return 2;
    }
    diffcut_diagnostics why = {{0}};
    diffcut_buffer file = {0}, png = {0};
    diffcut_image photo = {0};
    diffcut_model *model = NULL;
    diffcut_session *session = NULL;
    diffcut_labels labels = {0};
    diffcut_settings settings;
    int failed = 1;

    if (diffcut_read_file(argv[1], 0, &file, &why) == DIFFCUT_OK &&
        diffcut_decode_image(file.data, file.size, argv[1], NULL, &photo, &why) == DIFFCUT_OK &&
        diffcut_model_open(NULL, NULL, &model, &why) == DIFFCUT_OK &&
        diffcut_session_open(model, NULL, &session, &why) == DIFFCUT_OK) {
        diffcut_settings_init(&settings, model); /* then change what you like: settings.tau = 0.6; */
        if (diffcut_segment(session, &photo, &settings, &labels) != DIFFCUT_OK) {
            fprintf(stderr, "%s\n", diffcut_session_message(session));
        } else if (diffcut_encode_labels_png(&labels, &png, &why) == DIFFCUT_OK &&
                   diffcut_write_file(argv[2], png.data, png.size, true, &why) == DIFFCUT_OK) {
            printf("%s: %u segments\n", argv[2], labels.count);
            failed = 0;
        }
    }
    if (why.message[0] != '\0') {
        fprintf(stderr, "%s\n", why.message);
    }
    diffcut_buffer_free(&png);
    diffcut_labels_free(&labels);
    diffcut_session_close(session);
    diffcut_model_release(model);
    diffcut_image_free(&photo);
    diffcut_buffer_free(&file);
    return failed;
}
