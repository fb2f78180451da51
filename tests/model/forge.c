/* forge.c - see forge.h. */
#include "forge.h"

#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------- files */

__attribute__((format(printf, 2, 3))) static void append(forge *self, const char *format, ...) {
    char piece[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < sizeof piece);
    if (self->used + (size_t)length + 1 > self->capacity) {
        self->capacity = 2 * self->capacity + sizeof piece;
        self->header = realloc(self->header, self->capacity);
        assert_non_null(self->header);
    }
    memcpy(self->header + self->used, piece, (size_t)length + 1);
    self->used += (size_t)length;
}

static size_t type_size(const char *dtype) {
    return strcmp(dtype, "F32") == 0 ? 4 : strcmp(dtype, "I64") == 0 ? 8 : 2;
}

static void keep_piece(forge *self, const void *data, uint64_t bytes) {
    if (self->pieces_used == self->pieces_capacity) {
        self->pieces_capacity = 2 * self->pieces_capacity + 64;
        self->pieces = realloc(self->pieces, self->pieces_capacity * sizeof *self->pieces);
        assert_non_null(self->pieces);
    }
    self->pieces[self->pieces_used++] = (struct forge_piece){data, self->bytes, bytes};
}

void forge_tensor(forge *self, const char *dtype, size_t rank, const size_t *shape, const void *data,
                  const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    assert_true(length > 0 && (size_t)length < sizeof name);
    uint64_t bytes = type_size(dtype);
    append(self, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", self->used == 0 ? "{" : ",", name, dtype);
    for (size_t i = 0; i < rank; i++) {
        append(self, i > 0 ? ",%zu" : "%zu", shape[i]);
        bytes *= shape[i];
    }
    append(self, "],\"data_offsets\":[%ju,%ju]}", (uintmax_t)self->bytes, (uintmax_t)(self->bytes + bytes));
    if (data != NULL) {
        keep_piece(self, data, bytes);
    }
    self->bytes += bytes;
}

/* The path of folder/name; the folders on the way are made. */
static void make_path(const char *folder, const char *name, char *path) {
    int length = snprintf(path, FORGE_PATH, "%s/%s", folder, name);
    assert_true(length > 0 && length < FORGE_PATH);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

static void write_at(int fd, const void *data, uint64_t bytes, uint64_t place) {
    const char *from = data;
    while (bytes > 0) {
        ssize_t wrote = pwrite(fd, from, bytes, (off_t)place);
        assert_true(wrote > 0);
        from += wrote;
        place += (uint64_t)wrote;
        bytes -= (uint64_t)wrote;
    }
}

void forge_write(forge *self, const char *folder, const char *name) {
    char path[FORGE_PATH];
    make_path(folder, name, path);
    append(self, "%s", self->used == 0 ? "{}" : "}");
    uint64_t length = self->used;
    uint64_t start = sizeof length + length;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)(start + self->bytes)), 0);
    write_at(fd, &length, sizeof length, 0);
    write_at(fd, self->header, length, sizeof length);
    for (size_t i = 0; i < self->pieces_used; i++) {
        write_at(fd, self->pieces[i].data, self->pieces[i].bytes, start + self->pieces[i].start);
    }
    assert_int_equal(close(fd), 0);
    free(self->pieces);
    free(self->header);
    *self = (forge){0};
}

void forge_folder(char *path, size_t size) {
    const char *base = getenv("TMPDIR");
    int length = snprintf(path, size, "%s/diffcut-test-XXXXXX", base != NULL && base[0] == '/' ? base : P_tmpdir);
    assert_true(length > 0 && (size_t)length < size);
    assert_non_null(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void forge_remove(const char *path) {
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void forge_text(const char *folder, const char *name, const char *text) {
    char path[FORGE_PATH];
    make_path(folder, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

void forge_link(const char *target, const char *folder, const char *name) {
    char path[FORGE_PATH];
    make_path(folder, name, path);
    (void)unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

/* ------------------------------------------------------------------------------------------------- networks */

/* A layer with weight (out, in) and bias. */
static void linear(forge *self, const char *base, const char *name, size_t out, size_t in) {
    forge_tensor(self, "F16", 2, (const size_t[]){out, in}, NULL, "%s%s.weight", base, name);
    forge_tensor(self, "F16", 1, (const size_t[]){out}, NULL, "%s%s.bias", base, name);
}

static void conv(forge *self, const char *base, const char *name, size_t out, size_t in, size_t side) {
    forge_tensor(self, "F16", 4, (const size_t[]){out, in, side, side}, NULL, "%s%s.weight", base, name);
    forge_tensor(self, "F16", 1, (const size_t[]){out}, NULL, "%s%s.bias", base, name);
}

static void norm(forge *self, const char *base, const char *name, size_t channels) {
    forge_tensor(self, "F16", 1, (const size_t[]){channels}, NULL, "%s%s.weight", base, name);
    forge_tensor(self, "F16", 1, (const size_t[]){channels}, NULL, "%s%s.bias", base, name);
}

static void unet_resnet(forge *self, const char *base, size_t in, size_t out, size_t time) {
    norm(self, base, "in_layers.0", in);
    conv(self, base, "in_layers.2", out, in, 3);
    linear(self, base, "emb_layers.1", out, time);
    norm(self, base, "out_layers.0", out);
    conv(self, base, "out_layers.3", out, out, 3);
    if (in != out) {
        conv(self, base, "skip_connection", out, in, 1);
    }
}

/* One transformer block; base ends in its number. */
static void transformer_block(forge *self, const char *base, size_t channels, size_t context) {
    for (int attention = 1; attention <= 2; attention++) {
        size_t from = attention == 1 ? channels : context;
        char place[192];
        (void)snprintf(place, sizeof place, "%sattn%d.", base, attention);
        forge_tensor(self, "F16", 2, (const size_t[]){channels, channels}, NULL, "%sto_q.weight", place);
        forge_tensor(self, "F16", 2, (const size_t[]){channels, from}, NULL, "%sto_k.weight", place);
        forge_tensor(self, "F16", 2, (const size_t[]){channels, from}, NULL, "%sto_v.weight", place);
        linear(self, place, "to_out.0", channels, channels);
    }
    norm(self, base, "norm1", channels);
    norm(self, base, "norm2", channels);
    norm(self, base, "norm3", channels);
    linear(self, base, "ff.net.0.proj", 8 * channels, channels);
    linear(self, base, "ff.net.2", channels, 4 * channels);
}

static void unet_attention(forge *self, const char *base, size_t channels, size_t depth, const forge_unet *unet) {
    norm(self, base, "norm", channels);
    for (int side = 0; side < 2; side++) {
        const char *name = side == 0 ? "proj_in" : "proj_out";
        if (unet->linear) {
            linear(self, base, name, channels, channels);
        } else {
            conv(self, base, name, channels, channels, 1);
        }
    }
    for (size_t i = 0; i < depth; i++) {
        char block[128];
        (void)snprintf(block, sizeof block, "%stransformer_blocks.%zu.", base, i);
        transformer_block(self, block, channels, unet->context);
    }
}

/* The place of an entry of a numbered block. */
static const char *entry(char *out, size_t size, const forge_unet *unet, const char *side, size_t block,
                         size_t number) {
    (void)snprintf(out, size, "%s%s.%zu.%zu.", unet->prefix, side, block, number);
    return out;
}

/* Returns how many skips it put into skip (their channels). */
static size_t unet_down(forge *self, const forge_unet *unet, size_t *skip) {
    char base[128];
    size_t block = 1;
    size_t skips = 0;
    size_t channels = unet->channels[0];
    skip[skips++] = channels;
    for (size_t level = 0; level < unet->levels; level++) {
        for (size_t layer = 0; layer < unet->layers; layer++, block++) {
            unet_resnet(self, entry(base, sizeof base, unet, "input_blocks", block, 0), channels,
                        unet->channels[level], 4 * unet->channels[0]);
            channels = unet->channels[level];
            if (unet->depth[level] > 0) {
                unet_attention(self, entry(base, sizeof base, unet, "input_blocks", block, 1), channels,
                               unet->depth[level], unet);
            }
            skip[skips++] = channels;
        }
        if (level + 1 < unet->levels) {
            conv(self, entry(base, sizeof base, unet, "input_blocks", block++, 0), "op", channels, channels, 3);
            skip[skips++] = channels;
        }
    }
    return skips;
}

static void unet_up(forge *self, const forge_unet *unet, const size_t *skip, size_t skips) {
    char base[128];
    size_t block = 0;
    size_t channels = unet->channels[unet->levels - 1];
    for (size_t level = unet->levels; level-- > 0;) {
        for (size_t layer = 0; layer <= unet->layers; layer++, block++) {
            size_t number = 1;
            unet_resnet(self, entry(base, sizeof base, unet, "output_blocks", block, 0), channels + skip[--skips],
                        unet->channels[level], 4 * unet->channels[0]);
            channels = unet->channels[level];
            if (unet->depth[level] > 0) {
                size_t depth = unet->up_depth > 0 ? unet->up_depth : unet->depth[level];
                unet_attention(self, entry(base, sizeof base, unet, "output_blocks", block, number++), channels,
                               depth, unet);
            }
            if (level > 0 && layer == unet->layers) {
                conv(self, entry(base, sizeof base, unet, "output_blocks", block, number), "conv", channels, channels,
                     3);
            }
        }
    }
}

void forge_add_unet(forge *self, const forge_unet *unet) {
    char base[128];
    size_t skip[64];
    size_t first = unet->channels[0];
    size_t last = unet->channels[unet->levels - 1];
    conv(self, unet->prefix, "input_blocks.0.0", first, unet->in_channels, 3);
    linear(self, unet->prefix, "time_embed.0", 4 * first, first);
    linear(self, unet->prefix, "time_embed.2", 4 * first, 4 * first);
    if (unet->label > 0) {
        linear(self, unet->prefix, "label_emb.0.0", 4 * first, unet->label);
        linear(self, unet->prefix, "label_emb.0.2", 4 * first, 4 * first);
    }
    size_t skips = unet_down(self, unet, skip);
    (void)snprintf(base, sizeof base, "%smiddle_block.0.", unet->prefix);
    unet_resnet(self, base, last, last, 4 * first);
    if (unet->middle_attention) {
        size_t depth = unet->depth[unet->levels - 1] > 0 ? unet->depth[unet->levels - 1] : 1;
        (void)snprintf(base, sizeof base, "%smiddle_block.1.", unet->prefix);
        unet_attention(self, base, last, depth, unet);
        (void)snprintf(base, sizeof base, "%smiddle_block.2.", unet->prefix);
        unet_resnet(self, base, last, last, 4 * first);
    }
    unet_up(self, unet, skip, skips);
    norm(self, unet->prefix, "out.0", first);
    conv(self, unet->prefix, "out.2", 4, first, 3);
}

static void vae_resnet(forge *self, const char *base, size_t in, size_t out) {
    norm(self, base, "norm1", in);
    conv(self, base, "conv1", out, in, 3);
    norm(self, base, "norm2", out);
    conv(self, base, "conv2", out, out, 3);
    if (in != out) {
        conv(self, base, "nin_shortcut", out, in, 1);
    }
}

static void vae_middle(forge *self, const char *side, size_t channels) {
    static const char *const products[] = {"q", "k", "v", "proj_out"};
    char base[128];
    for (int i = 1; i <= 2; i++) {
        (void)snprintf(base, sizeof base, "%smid.block_%d.", side, i);
        vae_resnet(self, base, channels, channels);
    }
    (void)snprintf(base, sizeof base, "%smid.attn_1.", side);
    norm(self, base, "norm", channels);
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        conv(self, base, products[i], channels, channels, 1);
    }
}

/* One side: levels in the order of computing, which the original's decoder numbers backwards. */
static void vae_side(forge *self, const char *prefix, bool encoder) {
    static const size_t widths[] = {128, 256, 512, 512};
    char side[64];
    char base[128];
    size_t layers = encoder ? 2 : 3;
    size_t channels = encoder ? widths[0] : widths[3];
    (void)snprintf(side, sizeof side, "%s%s.", prefix, encoder ? "encoder" : "decoder");
    conv(self, side, "conv_in", channels, encoder ? 3 : 4, 3);
    for (size_t step = 0; step < 4; step++) {
        size_t level = encoder ? step : 3 - step;
        for (size_t i = 0; i < layers; i++) {
            (void)snprintf(base, sizeof base, "%s%s.%zu.block.%zu.", side, encoder ? "down" : "up", level, i);
            vae_resnet(self, base, channels, widths[level]);
            channels = widths[level];
        }
        if (step < 3) {
            (void)snprintf(base, sizeof base, "%s%s.%zu.%ssample.", side, encoder ? "down" : "up", level,
                           encoder ? "down" : "up");
            conv(self, base, "conv", channels, channels, 3);
        }
    }
    vae_middle(self, side, 512);
    norm(self, side, "norm_out", channels);
    conv(self, side, "conv_out", encoder ? 8 : 3, channels, 3);
}

void forge_add_autoencoder(forge *self, const char *prefix) {
    vae_side(self, prefix, true);
    vae_side(self, prefix, false);
    conv(self, prefix, "quant_conv", 8, 8, 1);
    conv(self, prefix, "post_quant_conv", 4, 4, 1);
}

void forge_add_clip(forge *self, const char *prefix) {
    static const char *const products[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
    const size_t width = 768;
    char base[160];
    forge_tensor(self, "F16", 2, (const size_t[]){49408, width}, NULL, "%sembeddings.token_embedding.weight", prefix);
    forge_tensor(self, "F16", 2, (const size_t[]){77, width}, NULL, "%sembeddings.position_embedding.weight", prefix);
    forge_tensor(self, "I64", 2, (const size_t[]){1, 77}, NULL, "%sembeddings.position_ids", prefix);
    for (size_t i = 0; i < 12; i++) {
        (void)snprintf(base, sizeof base, "%sencoder.layers.%zu.", prefix, i);
        norm(self, base, "layer_norm1", width);
        norm(self, base, "layer_norm2", width);
        linear(self, base, "mlp.fc1", 4 * width, width);
        linear(self, base, "mlp.fc2", width, 4 * width);
        (void)snprintf(base, sizeof base, "%sencoder.layers.%zu.self_attn.", prefix, i);
        for (size_t p = 0; p < sizeof products / sizeof *products; p++) {
            linear(self, base, products[p], width, width);
        }
    }
    norm(self, prefix, "final_layer_norm", width);
}

void forge_add_open_clip(forge *self, const char *prefix, size_t width, size_t layers) {
    char base[160];
    forge_tensor(self, "F16", 2, (const size_t[]){77, width}, NULL, "%spositional_embedding", prefix);
    forge_tensor(self, "F16", 2, (const size_t[]){width, width}, NULL, "%stext_projection", prefix);
    forge_tensor(self, "F16", 0, NULL, NULL, "%slogit_scale", prefix);
    forge_tensor(self, "F16", 2, (const size_t[]){49408, width}, NULL, "%stoken_embedding.weight", prefix);
    for (size_t i = 0; i < layers; i++) {
        (void)snprintf(base, sizeof base, "%stransformer.resblocks.%zu.", prefix, i);
        forge_tensor(self, "F16", 2, (const size_t[]){3 * width, width}, NULL, "%sattn.in_proj_weight", base);
        forge_tensor(self, "F16", 1, (const size_t[]){3 * width}, NULL, "%sattn.in_proj_bias", base);
        linear(self, base, "attn.out_proj", width, width);
        norm(self, base, "ln_1", width);
        norm(self, base, "ln_2", width);
        linear(self, base, "mlp.c_fc", 4 * width, width);
        linear(self, base, "mlp.c_proj", width, 4 * width);
    }
    norm(self, prefix, "ln_final", width);
}
