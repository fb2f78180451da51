/* about.c - see about.h. */
#include "model/about.h"

#include "core/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define README "README.md"
#define MAX_README ((size_t)1 << 20)

/* ------------------------------------------------------------------------------------------------- licence */

/* The value of "key: value" when a line has this key: without quotes, spaces and remarks. */
static bool value_of(const char *line, size_t length, const char *key, char out[ABOUT_TEXT_SIZE]) {
    size_t key_length = strlen(key);
    if (length < key_length || memcmp(line, key, key_length) != 0) {
        return false;
    }
    const char *start = line + key_length;
    const char *end = line + length;
    while (start < end && strchr(" \t\"'", *start) != NULL) {
        start++;
    }
    const char *remark = memchr(start, '#', (size_t)(end - start));
    end = remark != NULL ? remark : end;
    while (end > start && strchr(" \t\r\"'", end[-1]) != NULL) {
        end--;
    }
    size_t size = (size_t)(end - start) < ABOUT_TEXT_SIZE ? (size_t)(end - start) : ABOUT_TEXT_SIZE - 1;
    memcpy(out, start, size);
    out[size] = '\0';
    return true;
}

void about_license(const char *text, char out[ABOUT_TEXT_SIZE]) {
    char license[ABOUT_TEXT_SIZE] = "";
    char name[ABOUT_TEXT_SIZE] = "";
    bool listed = false; /* "license:" alone: its names follow in a list, of which the first is taken */
    out[0] = '\0';
    if (strncmp(text, "---", 3) != 0) {
        return;
    }
    const char *line = text + strcspn(text, "\n");
    while (*line == '\n') {
        line++;
        size_t length = strcspn(line, "\n");
        if (length >= 3 && memcmp(line, "---", 3) == 0) {
            break;
        }
        if (listed && value_of(line + strspn(line, " "), length - (size_t)strspn(line, " "), "-", license)) {
            listed = false;
        } else if (value_of(line, length, "license:", license)) {
            listed = license[0] == '\0';
        } else {
            (void)value_of(line, length, "license_name:", name);
        }
        line += length;
    }
    /* "other" is what a licence without a common name goes by; its own name says more. */
    bool other = license[0] == '\0' || strcmp(license, "other") == 0;
    (void)snprintf(out, ABOUT_TEXT_SIZE, "%s", other && name[0] != '\0' ? name : license);
}

static diffcut_status read_license(const checkpoint *source, model_about *out, diffcut_diagnostics *diag) {
    static const char *const files[] = {"LICENSE", "LICENSE.md", "LICENSE.txt", "LICENSE.TXT"};
    out->license_file = "";
    for (size_t i = sizeof files / sizeof *files; i-- > 0;) {
        out->license_file = checkpoint_has(source, files[i]) ? files[i] : out->license_file;
    }
    char *path;
    diffcut_diagnostics ignored;
    if (!checkpoint_has(source, README) || checkpoint_path_of(source, README, &path, &ignored) != DIFFCUT_OK) {
        return DIFFCUT_OK;
    }
    diffcut_buffer text = {0};
    diffcut_status status = diffcut_read_file(path, MAX_README, &text, &ignored);
    mem_free(path);
    if (status != DIFFCUT_OK) {
        return DIFFCUT_OK; /* a README that cannot be read names no licence */
    }
    char *terminated = mem_array_grow(text.data, text.size, text.size + 1, 1);
    if (terminated == NULL) {
        diffcut_buffer_free(&text);
        return diag_no_memory(diag, text.size + 1, README);
    }
    terminated[text.size] = '\0';
    about_license(terminated, out->license);
    mem_free(terminated);
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- files */

void about_variant(const char *file, char out[ABOUT_TEXT_SIZE]) {
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;
    const char *first = strchr(name, '.');
    const char *last = first != NULL ? strstr(first + 1, ".safetensors") : NULL;
    out[0] = '\0';
    if (last == NULL) {
        return;
    }
    size_t length = strcspn(first + 1, "-."); /* a shard's number follows a dash */
    size_t size = length < ABOUT_TEXT_SIZE ? length : ABOUT_TEXT_SIZE - 1;
    memcpy(out, first + 1, size);
    out[size] = '\0';
}

/* How the main network's weights are kept tells how the model's are. */
static void read_layout(const checkpoint *source, const char *component, model_about *out) {
    struct stat info;
    const char *first = NULL;
    out->layout = "folder";
    out->cached = strstr(checkpoint_path(source), "/snapshots/") != NULL;
    if (stat(checkpoint_path(source), &info) == 0 && S_ISREG(info.st_mode)) {
        out->layout = "single file";
        return;
    }
    for (size_t i = 0; i < checkpoint_count(source, component); i++) {
        const safetensors_tensor *tensor = checkpoint_at(source, component, i);
        const char *file;
        diffcut_diagnostics ignored;
        if (checkpoint_find(source, component, tensor->name, &tensor, &file, &ignored) == DIFFCUT_OK) {
            first = first != NULL ? first : file;
            out->layout = strcmp(first, file) != 0 ? "sharded" : out->layout;
        }
    }
    if (first != NULL) {
        about_variant(first, out->variant);
    }
}

static diffcut_status add_component(checkpoint *source, const char *component, model_about *out,
                                    diffcut_diagnostics *diag) {
    diffcut_diagnostics ignored;
    if (!checkpoint_has_component(source, component)) {
        return DIFFCUT_OK;
    }
    diffcut_status status = checkpoint_require(source, component, &ignored);
    if (status == DIFFCUT_ERROR_MEMORY) {
        return diag_fail(diag, status, "%s", ignored.message);
    }
    for (size_t i = 0; status == DIFFCUT_OK && i < checkpoint_count(source, component); i++) {
        const safetensors_tensor *tensor = checkpoint_at(source, component, i);
        out->parameters += tensor->elements;
        out->bytes += tensor->bytes;
    }
    out->text_encoders += status == DIFFCUT_OK && strncmp(component, "text_encoder", 12) == 0 ? 1 : 0;
    return DIFFCUT_OK;
}

diffcut_status model_about_read(checkpoint *source, model_about *out, diffcut_diagnostics *diag) {
    static const char *const components[] = {"unet", "vae", "text_encoder", "text_encoder_2", "encoder"};
    model_about about = {.layout = NULL};
    diffcut_status status = read_license(source, &about, diag);
    bool encoder = checkpoint_get_kind(source) != CHECKPOINT_DIFFUSION;
    read_layout(source, encoder ? "encoder" : "unet", &about);
    for (size_t i = 0; i < sizeof components / sizeof *components && status == DIFFCUT_OK; i++) {
        status = add_component(source, components[i], &about, diag);
    }
    if (status == DIFFCUT_OK) {
        *out = about;
    }
    return status;
}
