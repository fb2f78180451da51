/* golden.c - see golden.h. */
#include "golden.h"

#include "core/dtype.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 1024

struct golden {
    unsigned char *bytes;
    golden_tensor *tensors;
    size_t count;
    json_t *header; /* owns the names */
};

static unsigned char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) != 0) {
        fail_msg("%s: cannot seek", path);
    }
    long length = ftell(file);
    rewind(file);
    assert_true(length >= 0);
    unsigned char *bytes = malloc((size_t)length + 1);
    assert_non_null(bytes);
    if (fread(bytes, 1, (size_t)length, file) != (size_t)length) {
        fail_msg("%s: cannot read %ld bytes", path, length);
    }
    (void)fclose(file);
    bytes[length] = '\0';
    *size = (size_t)length;
    return bytes;
}

static size_t dtype_bytes(const char *type) {
    static const struct {
        const char *name;
        size_t size;
    } table[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4},
                 {"I16", 2}, {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"U32", 4}, {"U16", 2}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(type, table[i].name) == 0) {
            return table[i].size;
        }
    }
    fail_msg("dtype %s is not known to the golden reader", type);
    return 0;
}

static void fill_tensor(const char *path, const char *name, const json_t *entry, const unsigned char *data,
                        size_t data_size, golden_tensor *tensor) {
    tensor->name = name;
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    assert_non_null(type);
    (void)snprintf(tensor->dtype, sizeof tensor->dtype, "%s", type);
    const json_t *shape = json_object_get(entry, "shape");
    tensor->rank = json_array_size(shape);
    assert_true(tensor->rank <= GOLDEN_MAX_RANK);
    tensor->count = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        tensor->shape[i] = (size_t)json_integer_value(json_array_get(shape, i));
        tensor->count *= tensor->shape[i];
    }
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    if (end > data_size || begin > end || end - begin != tensor->count * dtype_bytes(type)) {
        fail_msg("%s: tensor %s lies outside the file or has another size", path, name);
    }
    tensor->data = data + begin;
}

golden *golden_open(const char *format, ...) {
    char path[PATH_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(path, sizeof path, format, args);
    va_end(args);
    size_t size;
    unsigned char *bytes = read_all(path, &size);
    if (bytes == NULL) {
        return NULL;
    }
    uint64_t header_size = 0;
    assert_true(size >= sizeof header_size);
    memcpy(&header_size, bytes, sizeof header_size);
    assert_true(header_size <= size - sizeof header_size);
    golden *file = calloc(1, sizeof *file);
    assert_non_null(file);
    file->bytes = bytes;
    file->header = json_loadb((const char *)bytes + sizeof header_size, (size_t)header_size, 0, NULL);
    if (file->header == NULL) {
        fail_msg("%s: the header is not JSON", path);
    }
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    assert_non_null(file->tensors);
    const unsigned char *data = bytes + sizeof header_size + header_size;
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry) {
        if (strcmp(name, "__metadata__") != 0) {
            fill_tensor(path, name, entry, data, size - sizeof header_size - (size_t)header_size,
                        &file->tensors[file->count++]);
        }
    }
    return file;
}

void golden_close(golden *file) {
    if (file != NULL) {
        json_decref(file->header);
        free(file->tensors);
        free(file->bytes);
        free(file);
    }
}

static const golden_tensor *find(const golden *file, const char *name) {
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) {
            return &file->tensors[i];
        }
    }
    return NULL;
}

const golden_tensor *golden_find(const golden *file, const char *format, ...) {
    char name[PATH_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return find(file, name);
}

const golden_tensor *golden_get(const golden *file, const char *format, ...) {
    char name[PATH_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const golden_tensor *tensor = find(file, name);
    if (tensor == NULL) {
        fail_msg("the golden file has no tensor %s", name);
    }
    return tensor;
}

const golden_tensor *golden_at(const golden *file, size_t index) {
    return index < file->count ? &file->tensors[index] : NULL;
}

/* One element widened to double: exact for every dtype but I64 beyond 2^53. */
static double element(const golden_tensor *tensor, size_t index) {
    const unsigned char *at = tensor->data + index * dtype_bytes(tensor->dtype);
    if (strcmp(tensor->dtype, "F64") == 0) {
        double value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    if (tensor->dtype[0] == 'F' || tensor->dtype[0] == 'B') {
        if (strcmp(tensor->dtype, "BOOL") == 0) {
            return at[0];
        }
        float value;
        dtype_to_float(strcmp(tensor->dtype, "F32") == 0   ? DTYPE_F32
                       : strcmp(tensor->dtype, "F16") == 0 ? DTYPE_F16
                                                           : DTYPE_BF16,
                       at, 1, &value);
        return (double)value;
    }
    int64_t value = 0;
    size_t size = dtype_bytes(tensor->dtype);
    memcpy(&value, at, size); /* little-endian, as the files */
    if (tensor->dtype[0] == 'I' && size < sizeof value) {
        int shift = (int)(64 - 8 * size);
        value = (int64_t)((uint64_t)value << shift) >> shift;
    }
    return (double)value;
}

double *golden_doubles(const golden_tensor *tensor) {
    double *out = malloc((tensor->count + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < tensor->count; i++) {
        out[i] = element(tensor, i);
    }
    return out;
}

float *golden_floats(const golden_tensor *tensor) {
    float *out = malloc((tensor->count + 1) * sizeof *out);
    assert_non_null(out);
    if (strcmp(tensor->dtype, "F32") == 0) {
        memcpy(out, tensor->data, tensor->count * sizeof *out);
        return out;
    }
    for (size_t i = 0; i < tensor->count; i++) {
        out[i] = (float)element(tensor, i);
    }
    return out;
}

int32_t *golden_ints(const golden_tensor *tensor) {
    int32_t *out = malloc((tensor->count + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < tensor->count; i++) {
        double value = element(tensor, i);
        if (value != floor(value) || fabs(value) > (double)INT32_MAX) {
            fail_msg("%s[%zu] = %g is no int32", tensor->name, i, value);
        }
        out[i] = (int32_t)value;
    }
    return out;
}

uint8_t *golden_bytes(const golden_tensor *tensor) {
    uint8_t *out = malloc(tensor->count + 1);
    assert_non_null(out);
    for (size_t i = 0; i < tensor->count; i++) {
        double value = element(tensor, i);
        if (!(value >= 0 && value <= 255)) {
            fail_msg("%s[%zu] = %g is no byte", tensor->name, i, value);
        }
        out[i] = (uint8_t)value;
    }
    return out;
}

json_t *golden_json(const char *format, ...) {
    char path[PATH_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(path, sizeof path, format, args);
    va_end(args);
    if (access(path, R_OK) != 0) {
        return NULL;
    }
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (json == NULL) {
        fail_msg("%s: line %d: %s", path, error.line, error.text);
    }
    return json;
}

/* "[y, x]" of a flat index. */
static void format_place(size_t index, const size_t *shape, size_t rank, char *text, size_t size) {
    if (shape == NULL || rank == 0) {
        (void)snprintf(text, size, "[%zu]", index);
        return;
    }
    size_t place[GOLDEN_MAX_RANK];
    for (size_t axis = rank; axis-- > 0;) {
        place[axis] = index % shape[axis];
        index /= shape[axis];
    }
    size_t used = 0;
    for (size_t axis = 0; axis < rank && used < size; axis++) {
        used += (size_t)snprintf(text + used, size - used, "%s%zu%s", axis == 0 ? "[" : ", ", place[axis],
                                 axis + 1 == rank ? "]" : "");
    }
}

bool golden_close_to_doubles(const char *what, const double *got, const double *want, const size_t *shape,
                             size_t rank, size_t count, double absolute, double relative) {
    size_t worst = 0, bad = 0;
    double worst_excess = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        double allowed = absolute + relative * fabs(want[i]);
        double error = fabs(got[i] - want[i]);
        if ((isnan(got[i]) && isnan(want[i])) || got[i] == want[i]) {
            error = 0.0;
        }
        double excess = isnan(error) ? INFINITY : error - allowed;
        bad += excess > 0.0;
        if (excess > worst_excess) {
            worst_excess = excess;
            worst = i;
        }
    }
    if (count > 0 && (bad > 0 || getenv("DIFFCUT_TEST_VERBOSE") != NULL)) {
        char place[160];
        format_place(worst, shape, rank, place, sizeof place);
        print_error("%s: worst element %s: got %.9g, want %.9g (off by %.3g, allowed %.3g); %zu of %zu beyond\n",
                    what, place, got[worst], want[worst], fabs(got[worst] - want[worst]),
                    absolute + relative * fabs(want[worst]), bad, count);
    }
    return bad == 0;
}

bool golden_close_to(const char *what, const float *got, const float *want, const size_t *shape, size_t rank,
                     size_t count, double absolute, double relative) {
    double *both = malloc((2 * count + 1) * sizeof *both);
    assert_non_null(both);
    for (size_t i = 0; i < count; i++) {
        both[i] = (double)got[i];
        both[count + i] = (double)want[i];
    }
    bool close = golden_close_to_doubles(what, both, both + count, shape, rank, count, absolute, relative);
    free(both);
    return close;
}

bool golden_equal_ints(const char *what, const int32_t *got, const int32_t *want, const size_t *shape, size_t rank,
                       size_t count) {
    size_t first = count, differ = 0;
    for (size_t i = count; i-- > 0;) {
        if (got[i] != want[i]) {
            first = i;
            differ++;
        }
    }
    if (differ > 0) {
        char place[160];
        format_place(first, shape, rank, place, sizeof place);
        print_error("%s: %zu of %zu differ, first at %s: got %d, want %d\n", what, differ, count, place, got[first],
                    want[first]);
    }
    return differ == 0;
}

static int32_t largest(const int32_t *values, size_t count) {
    int32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(values[i] >= 0);
        most = values[i] > most ? values[i] : most;
    }
    return most;
}

static double pairs(double n) {
    return n * (n - 1.0) / 2.0;
}

double golden_rand_index(const int32_t *a, const int32_t *b, size_t count) {
    size_t rows = (size_t)largest(a, count) + 1, cols = (size_t)largest(b, count) + 1;
    double *table = calloc(rows * cols + rows + cols, sizeof *table);
    assert_non_null(table);
    double *row_sum = table + rows * cols, *col_sum = row_sum + rows;
    for (size_t i = 0; i < count; i++) {
        table[(size_t)a[i] * cols + (size_t)b[i]] += 1.0;
        row_sum[a[i]] += 1.0;
        col_sum[b[i]] += 1.0;
    }
    double both = 0.0, in_a = 0.0, in_b = 0.0;
    for (size_t i = 0; i < rows * cols; i++) {
        both += pairs(table[i]);
    }
    for (size_t i = 0; i < rows; i++) {
        in_a += pairs(row_sum[i]);
    }
    for (size_t i = 0; i < cols; i++) {
        in_b += pairs(col_sum[i]);
    }
    free(table);
    double expected = count > 1 ? in_a * in_b / pairs((double)count) : 0.0;
    double most = (in_a + in_b) / 2.0;
    return most == expected ? 1.0 : (both - expected) / (most - expected);
}

bool golden_shared_present(void) {
    return access(DIFFCUT_SHARED_DIR "/golden", R_OK) == 0;
}
