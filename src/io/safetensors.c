/* safetensors.c - see safetensors.h. */
#include "io/safetensors.h"

#include "core/memory.h"
#include "io/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH_BYTES 8

struct safetensors {
    char *name;
    safetensors_tensor *tensors; /* sorted by name */
    size_t count;
    json_document header; /* holds the names */
    void *map;            /* NULL when the memory is the caller's */
    size_t map_size;
};

/* The format's element types. `type` says which of them can be weights. */
static const struct element {
    const char *name;
    size_t size;
    dtype type;
} elements[] = {
    {"F32", 4, DTYPE_F32},    {"F16", 2, DTYPE_F16},       {"BF16", 2, DTYPE_BF16},     {"F64", 8, DTYPE_OTHER},
    {"I64", 8, DTYPE_OTHER},  {"I32", 4, DTYPE_OTHER},     {"I16", 2, DTYPE_OTHER},     {"I8", 1, DTYPE_OTHER},
    {"U64", 8, DTYPE_OTHER},  {"U32", 4, DTYPE_OTHER},     {"U16", 2, DTYPE_OTHER},     {"U8", 1, DTYPE_OTHER},
    {"BOOL", 1, DTYPE_OTHER}, {"F8_E4M3", 1, DTYPE_OTHER}, {"F8_E5M2", 1, DTYPE_OTHER}, {"C64", 8, DTYPE_OTHER},
};

void safetensors_shape_text(const size_t *shape, size_t rank, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (size_t i = 0; i < rank && used < size; i++) {
        int wrote = snprintf(out + used, size - used, i == 0 ? "%zu" : ", %zu", shape[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    if (used < size) {
        (void)snprintf(out + used, size - used, "]");
    }
}

/* A header's fault is the file's, whichever getter found it. */
static diffcut_status malformed(diffcut_status status) {
    return status == DIFFCUT_ERROR_MODEL ? DIFFCUT_ERROR_FORMAT : status;
}

/* The product of the shape and its bytes, overflow-checked. */
static diffcut_status tensor_size(json_view view, size_t element_size, safetensors_tensor *tensor,
                                  diffcut_diagnostics *diag) {
    size_t count = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (!mem_mul(count, tensor->shape[i], &count)) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: the product of shape overflows", view.file);
        }
    }
    if (!mem_mul(count, element_size, &tensor->bytes)) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: shape and dtype give more bytes than memory has",
                         view.file);
    }
    tensor->elements = count;
    return DIFFCUT_OK;
}

/* Fills one tensor from its header entry. data holds the size bytes after the header. */
static diffcut_status read_entry(json_view view, const uint8_t *data, size_t size, safetensors_tensor *tensor,
                                 diffcut_diagnostics *diag) {
    static const char *const known[] = {"dtype", "shape", "data_offsets", NULL};
    const char *unknown = json_unknown_key(view, known);
    if (unknown != NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: unknown field \"%.40s\"", view.file, unknown);
    }
    size_t offsets[2];
    size_t offset_count;
    const char *type_name;
    diffcut_status status = json_get_text(view, "dtype", true, NULL, 16, &type_name, diag);
    if (status == DIFFCUT_OK) {
        status = json_get_size_list(view, "shape", SAFETENSORS_MAX_RANK, tensor->shape, &tensor->rank, diag);
    }
    if (status == DIFFCUT_OK) {
        status = json_get_size_list(view, "data_offsets", 2, offsets, &offset_count, diag);
    }
    if (status != DIFFCUT_OK) {
        return malformed(status);
    }
    const struct element *element = NULL;
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        element = strcmp(elements[i].name, type_name) == 0 ? &elements[i] : element;
    }
    if (element == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: unknown dtype \"%s\"", view.file, type_name);
    }
    tensor->type = element->type;
    tensor->type_name = element->name;
    status = tensor_size(view, element->size, tensor, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (offset_count != 2 || offsets[0] > offsets[1]) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: data_offsets are not a start and an end", view.file);
    }
    if (offsets[1] > size) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%s: data_offsets end at %zu, the file has %zu bytes of data (truncated?)", view.file,
                         offsets[1], size);
    }
    if (offsets[1] - offsets[0] != tensor->bytes) {
        char shape[128];
        safetensors_shape_text(tensor->shape, tensor->rank, shape, sizeof shape);
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: data_offsets span %zu bytes, %s of %s needs %zu", view.file,
                         offsets[1] - offsets[0], shape, type_name, tensor->bytes);
    }
    tensor->data = data + offsets[0];
    return DIFFCUT_OK;
}

static diffcut_status check_metadata(const char *name, json_view view, diffcut_diagnostics *diag) {
    if (view.node == NULL) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: __metadata__ is not an object", name);
    }
    void *place = NULL;
    const char *key;
    json_view value;
    while (json_next(view, &place, &key, &value)) {
        if (!json_is_text(view, key)) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: __metadata__: %.80s is not a string", name, key);
        }
    }
    return DIFFCUT_OK;
}

static diffcut_status read_entries(safetensors *file, const uint8_t *data, size_t size, diffcut_diagnostics *diag) {
    void *place = NULL;
    const char *key;
    json_view value;
    while (json_next(file->header.root, &place, &key, &value)) {
        if (strcmp(key, "__metadata__") == 0) {
            diffcut_status status = check_metadata(file->name, value, diag);
            if (status != DIFFCUT_OK) {
                return status;
            }
            continue;
        }
        char label[256];
        (void)snprintf(label, sizeof label, "%.100s: tensor %.120s", file->name, key);
        if (value.node == NULL) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: its header entry is not an object", label);
        }
        value.file = label;
        safetensors_tensor *tensor = &file->tensors[file->count];
        tensor->name = key;
        diffcut_status status = read_entry(value, data, size, tensor, diag);
        if (status != DIFFCUT_OK) {
            return status;
        }
        file->count++;
    }
    return DIFFCUT_OK;
}

static int by_place(const void *a, const void *b) {
    const safetensors_tensor *x = a;
    const safetensors_tensor *y = b;
    if (x->data != y->data) {
        return (const uint8_t *)x->data < (const uint8_t *)y->data ? -1 : 1;
    }
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; /* empty ones first */
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const safetensors_tensor *)a)->name, ((const safetensors_tensor *)b)->name);
}

/* The tensors fill the data without overlap or hole: so no byte has two meanings, and none is hidden. */
static diffcut_status check_places(safetensors *file, const uint8_t *data, size_t size, diffcut_diagnostics *diag) {
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    size_t end = 0;
    for (size_t i = 0; i < file->count; i++) {
        const safetensors_tensor *tensor = &file->tensors[i];
        size_t start = (size_t)((const uint8_t *)tensor->data - data);
        if (start != end) {
            return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                             "%s: tensor %.120s: data_offsets start at %zu, %s ends at %zu%s", file->name,
                             tensor->name, start, i == 0 ? "the header" : file->tensors[i - 1].name, end,
                             start < end ? " (overlap)" : " (hole)");
        }
        end = start + tensor->bytes;
    }
    if (end != size) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: the tensors end at %zu, the file has %zu bytes of data",
                         file->name, end, size);
    }
    return DIFFCUT_OK;
}

/* Reads the length and the header's JSON. */
static diffcut_status read_header(safetensors *file, const uint8_t *bytes, size_t size, size_t *data_start,
                                  diffcut_diagnostics *diag) {
    if (size < LENGTH_BYTES) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: %zu bytes, too short for a header length", file->name,
                         size);
    }
    uint64_t length = 0;
    for (size_t i = LENGTH_BYTES; i-- > 0;) {
        length = length << 8 | bytes[i];
    }
    if (length > SAFETENSORS_MAX_HEADER) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT,
                         "%s: header length %ju is over the limit of %ju bytes (no safetensors file?)", file->name,
                         (uintmax_t)length, (uintmax_t)SAFETENSORS_MAX_HEADER);
    }
    if (length > size - LENGTH_BYTES) {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: header length %ju, the file has %zu bytes (truncated?)",
                         file->name, (uintmax_t)length, size);
    }
    if (length == 0 || bytes[LENGTH_BYTES] != '{') {
        return diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: the header does not start with '{': no safetensors file",
                         file->name);
    }
    *data_start = LENGTH_BYTES + (size_t)length;
    return json_parse(bytes + LENGTH_BYTES, (size_t)length, file->name, &file->header, diag);
}

static diffcut_status read_file(safetensors *file, const uint8_t *bytes, size_t size, diffcut_diagnostics *diag) {
    size_t data_start = 0;
    diffcut_status status = read_header(file, bytes, size, &data_start, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    size_t members = json_count(file->header.root);
    file->tensors = mem_array_zero(members, sizeof *file->tensors);
    if (file->tensors == NULL) {
        return diag_no_memory(diag, members * sizeof *file->tensors, file->name);
    }
    const uint8_t *data = bytes + data_start;
    status = read_entries(file, data, size - data_start, diag);
    if (status == DIFFCUT_OK) {
        status = check_places(file, data, size - data_start, diag);
    }
    if (status == DIFFCUT_OK) {
        qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    }
    return status;
}

diffcut_status safetensors_parse(const void *data, size_t size, const char *name, safetensors **out,
                                 diffcut_diagnostics *diag) {
    safetensors *file = mem_array_zero(1, sizeof *file);
    if (file == NULL) {
        return diag_no_memory(diag, sizeof *file, name);
    }
    diffcut_status status = DIFFCUT_OK;
    file->name = mem_string(name);
    if (file->name == NULL) {
        status = diag_no_memory(diag, strlen(name) + 1, name);
    } else {
        status = read_file(file, data, size, diag);
    }
    if (status != DIFFCUT_OK) {
        safetensors_close(file);
        return status;
    }
    *out = file;
    return DIFFCUT_OK;
}

/* Maps a regular file of at least one byte. Its size is asked again after mapping: one that shrank meanwhile is
 * refused rather than read past its end. */
static diffcut_status map_file(const char *path, const char *name, void **map, size_t *size,
                               diffcut_diagnostics *diag) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", name, strerror(errno));
    }
    diffcut_status status = DIFFCUT_OK;
    struct stat before;
    struct stat after;
    if (fstat(fd, &before) != 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_IO, "%s: %s", name, strerror(errno));
    } else if (!S_ISREG(before.st_mode)) {
        status = diag_fail(diag, DIFFCUT_ERROR_IO, "%s: not a regular file", name);
    } else if (before.st_size <= 0) {
        status = diag_fail(diag, DIFFCUT_ERROR_FORMAT, "%s: the file is empty", name);
    } else if ((uintmax_t)before.st_size > SIZE_MAX) {
        status = diag_fail(diag, DIFFCUT_ERROR_LIMIT, "%s: too large for this machine's address space", name);
    } else {
        *size = (size_t)before.st_size;
        *map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (*map == MAP_FAILED) {
            status = diag_fail(diag, DIFFCUT_ERROR_IO, "%s: cannot map it: %s", name, strerror(errno));
        } else if (fstat(fd, &after) != 0 || after.st_size != before.st_size) {
            (void)munmap(*map, *size);
            status = diag_fail(diag, DIFFCUT_ERROR_IO, "%s: the file changed while it was opened", name);
        }
    }
    (void)close(fd);
    return status;
}

diffcut_status safetensors_open(const char *folder, const char *name, safetensors **out, diffcut_diagnostics *diag) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        return diag_fail(diag, DIFFCUT_ERROR_IO, "%s: the path is too long", name);
    }
    void *map = NULL;
    size_t size = 0;
    diffcut_status status = map_file(path, name, &map, &size, diag);
    if (status != DIFFCUT_OK) {
        return status;
    }
    safetensors *file = NULL;
    status = safetensors_parse(map, size, name, &file, diag);
    if (status != DIFFCUT_OK) {
        (void)munmap(map, size);
        return status;
    }
    file->map = map;
    file->map_size = size;
    *out = file;
    return DIFFCUT_OK;
}

void safetensors_close(safetensors *file) {
    if (file == NULL) {
        return;
    }
    json_document_free(&file->header);
    if (file->map != NULL) {
        (void)munmap(file->map, file->map_size);
    }
    mem_free(file->tensors);
    mem_free(file->name);
    mem_free(file);
}

const char *safetensors_name(const safetensors *file) {
    return file->name;
}

size_t safetensors_count(const safetensors *file) {
    return file->count;
}

const safetensors_tensor *safetensors_at(const safetensors *file, size_t index) {
    return &file->tensors[index];
}

const char *safetensors_metadata(const safetensors *file, const char *key) {
    diffcut_diagnostics ignored;
    json_view texts = {0};
    bool present = false;
    const char *text = NULL;
    /* The texts were checked when the file was opened; what remains to fail is their absence, or an empty one. */
    if (json_get_object(file->header.root, "__metadata__", &present, &texts, &ignored) != DIFFCUT_OK || !present ||
        !json_is_text(texts, key)) {
        return NULL;
    }
    return json_get_text(texts, key, true, NULL, SIZE_MAX, &text, &ignored) == DIFFCUT_OK ? text : "";
}

const safetensors_tensor *safetensors_find(const safetensors *file, const char *name) {
    size_t low = 0;
    size_t high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, file->tensors[middle].name);
        if (order == 0) {
            return &file->tensors[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

void safetensors_release(const safetensors *file, const void *data, size_t bytes) {
    long page = sysconf(_SC_PAGESIZE);
    if (file->map == NULL || page <= 0) {
        return;
    }
    uintptr_t first = (uintptr_t)file->map;
    uintptr_t start = (uintptr_t)data;
    uintptr_t end = start + bytes;
    if (start < first || end > first + file->map_size) {
        return;
    }
    start = (start + (uintptr_t)page - 1) / (uintptr_t)page * (uintptr_t)page;
    end = end / (uintptr_t)page * (uintptr_t)page;
    if (start < end) {
        (void)madvise((void *)start, end - start, MADV_DONTNEED); /* private and read-only: nothing is lost */
    }
}
