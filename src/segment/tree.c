/*
 * tree.c - see tree.h.
 *
 * A node is a range of `order`, a permutation of the tokens; splitting it moves the positive tokens to the front of
 * its range. The affinity stays where it is: rows are found by the token's number, and of the columns only as many
 * pairs change places as tokens stand on the wrong side (one, where a single token splits off), so a node's part of
 * each row is contiguous and nothing is copied.
 *
 * A node is solved when it appears, so a leaf knows its cost, which token would go where, and the vectors that its
 * children's solver starts from. All of this depends on the node and its ancestors only: a tree expanded in steps is
 * the same, bit by bit, as one built at once.
 */
#include "segment/tree.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "segment/affinity.h"
#include "segment/ncut.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_PER_PIECE 64
#define ENTRIES_PER_PROGRESS (1U << 23) /* matrix entries touched between progress calls: some milliseconds */

typedef struct tree_span {
    uint32_t begin, count; /* tokens order[begin .. begin + count - 1] */
    uint32_t kept;         /* the first of them, that take part; the others are dropped rows */
    bool solved;
} tree_span;

struct diffcut_tree {
    uint32_t height, width;
    size_t tokens;
    diffcut_eigen_solver solver;
    size_t min_tokens;
    float *matrix;            /* (tokens, tokens); NULL for a constant map */
    uint8_t *zero;            /* (tokens) 1: the row has an exact zero; NULL unless in reference mode */
    uint32_t *order;          /* (tokens) */
    uint8_t *side;            /* (tokens) by token: the side it would take, were its leaf split */
    float *block;             /* (tokens, EIGEN_BLOCK) by token: its leaf's further vectors */
    uint32_t *pairs;          /* (tokens, 2) columns to exchange */
    size_t failures;          /* nodes at which the iteration did not converge */
    diffcut_tree_node *nodes; /* room for every node there can be: 2 tokens - 1 */
    tree_span *spans;
    uint32_t **lists; /* ascending tokens of a node, made when asked for */
    size_t count;
};

/* ------------------------------------------------------------------------------------------------- life */

void diffcut_tree_free(diffcut_tree *tree) {
    if (tree == NULL) {
        return;
    }
    for (size_t i = 0; tree->lists != NULL && i < tree->count; i++) {
        mem_free(tree->lists[i]);
    }
    mem_free(tree->matrix);
    mem_free(tree->zero);
    mem_free(tree->order);
    mem_free(tree->side);
    mem_free(tree->block);
    mem_free(tree->pairs);
    mem_free(tree->nodes);
    mem_free(tree->spans);
    mem_free(tree->lists);
    mem_free(tree);
}

static void add_node(diffcut_tree *tree, uint32_t begin, uint32_t count, uint32_t kept, uint32_t level) {
    tree->nodes[tree->count] =
        (diffcut_tree_node){.cost = INFINITY, .positive = -1, .negative = -1, .tokens = count, .level = level};
    tree->spans[tree->count] = (tree_span){begin, count, kept, false};
    tree->count++;
}

/* A tree of one unsolved node. */
static diffcut_status create(work *w, const diffcut_features *features, const diffcut_settings *settings,
                             diffcut_tree **out) {
    diffcut_tree *tree = mem_array_zero(1, sizeof *tree);
    if (tree == NULL) {
        return diag_no_memory(w->diag, sizeof *tree, "the partition tree");
    }
    size_t tokens = (size_t)features->height * features->width, room = 2 * tokens;
    tree->height = features->height;
    tree->width = features->width;
    tree->tokens = tokens;
    tree->solver = settings->eigen_solver;
    tree->min_tokens = settings->min_tokens;
    tree->order = mem_array(tokens, sizeof *tree->order);
    tree->side = mem_array_zero(tokens, sizeof *tree->side);
    tree->block = mem_array_zero(tokens * EIGEN_BLOCK, sizeof *tree->block);
    tree->pairs = mem_array(tokens, 2 * sizeof *tree->pairs);
    tree->nodes = mem_array(room, sizeof *tree->nodes);
    tree->spans = mem_array(room, sizeof *tree->spans);
    tree->lists = mem_array_zero(room, sizeof *tree->lists);
    tree->zero = settings->reference ? mem_array_zero(tokens, sizeof *tree->zero) : NULL;
    if (tree->order == NULL || tree->side == NULL || tree->block == NULL || tree->pairs == NULL ||
        tree->nodes == NULL || tree->spans == NULL || tree->lists == NULL ||
        (settings->reference && tree->zero == NULL)) {
        diffcut_tree_free(tree);
        return diag_no_memory(w->diag, room * sizeof *tree->nodes, "the partition tree");
    }
    for (size_t i = 0; i < tokens; i++) {
        tree->order[i] = (uint32_t)i;
    }
    add_node(tree, 0, (uint32_t)tokens, (uint32_t)tokens, 0);
    *out = tree;
    return DIFFCUT_OK;
}

/* ------------------------------------------------------------------------------------------------- splitting */

static void find_zero_rows(void *context, size_t piece) {
    const diffcut_tree *tree = context;
    size_t end = (piece + 1) * ROWS_PER_PIECE < tree->tokens ? (piece + 1) * ROWS_PER_PIECE : tree->tokens;
    for (size_t i = piece * ROWS_PER_PIECE; i < end; i++) {
        const float *row = tree->matrix + i * tree->tokens;
        size_t j = 0;
        while (j < tree->tokens && row[j] != 0.0F) {
            j++;
        }
        tree->zero[i] = j < tree->tokens ? 1 : 0;
    }
}

struct exchange_task {
    const diffcut_tree *tree;
    const tree_span *span;
    size_t pairs;
};

static void exchange_columns(void *context, size_t piece) {
    const struct exchange_task *task = context;
    const diffcut_tree *tree = task->tree;
    size_t begin = piece * ROWS_PER_PIECE, end = begin + ROWS_PER_PIECE;
    for (size_t i = begin; i < end && i < task->span->count; i++) {
        float *row = tree->matrix + (size_t)tree->order[task->span->begin + i] * tree->tokens;
        for (size_t k = 0; k < task->pairs; k++) {
            uint32_t a = tree->pairs[2 * k], b = tree->pairs[2 * k + 1];
            float value = row[a];
            row[a] = row[b];
            row[b] = value;
        }
    }
}

/* Reorders order[begin .. begin + count - 1], part of span, so that the tokens with mark[token] == first come first,
 * and the affinity's columns with it. Returns how many there are. */
static uint32_t move_first(const work *w, diffcut_tree *tree, const tree_span *span, uint32_t begin, uint32_t count,
                           const uint8_t *mark, uint8_t first) {
    uint32_t total = 0;
    for (uint32_t i = begin; i < begin + count; i++) {
        total += mark[tree->order[i]] == first;
    }
    size_t pairs = 0;
    uint32_t wrong = begin + total;
    for (uint32_t i = begin; i < begin + total; i++) {
        if (mark[tree->order[i]] == first) {
            continue;
        }
        while (mark[tree->order[wrong]] != first) {
            wrong++;
        }
        tree->pairs[2 * pairs] = i;
        tree->pairs[2 * pairs + 1] = wrong++;
        pairs++;
    }
    for (size_t k = 0; k < pairs; k++) {
        uint32_t *a = &tree->order[tree->pairs[2 * k]], *b = &tree->order[tree->pairs[2 * k + 1]], token = *a;
        *a = *b;
        *b = token;
    }
    struct exchange_task task = {tree, span, pairs};
    if (pairs > 0) {
        uint32_t threads = pairs * span->count >= ENTRIES_PER_PROGRESS / 64 ? w->threads : 1;
        parallel_for(threads, (span->count + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE, exchange_columns, &task);
    }
    return total;
}

/* Gives a solved leaf its two children. In reference mode, dropped rows go to the end of a child. Cannot fail. */
static void split_node(const work *w, diffcut_tree *tree, size_t index) {
    tree_span span = tree->spans[index];
    uint32_t positives = move_first(w, tree, &span, span.begin, span.kept, tree->side, 1);
    uint32_t counts[2] = {positives, span.count - positives}, begin = span.begin;
    tree->nodes[index].positive = (int32_t)tree->count;
    tree->nodes[index].negative = (int32_t)tree->count + 1;
    for (int child = 0; child < 2; child++) {
        uint32_t kept = counts[child];
        if (tree->zero != NULL) {
            kept = move_first(w, tree, &span, begin, counts[child], tree->zero, 0);
        }
        add_node(tree, begin, counts[child], kept, tree->nodes[index].level + 1);
        begin += counts[child];
    }
}

/* ------------------------------------------------------------------------------------------------- solving */

static void dump_vector(const work *w, const diffcut_tree *tree, const ncut_scratch *scratch) {
    size_t shape[2] = {tree->height, tree->width};
    work_dump(w, "eigenvector", scratch->value, shape, 2); /* the root's: its order is that of the tokens */
}

/* Finds a node's cost and sides; *touched grows by the matrix entries read. */
static diffcut_status solve_node(const work *w, diffcut_tree *tree, size_t index, double fraction,
                                 ncut_scratch *scratch, uint64_t *touched) {
    const tree_span *span = &tree->spans[index];
    const uint32_t *tokens = tree->order + span->begin;
    eigen_graph graph = {span->kept, tree->matrix, tree->tokens, tokens, span->begin};
    ncut_rules rules = {tree->solver, tree->min_tokens, span->count - span->kept};
    eigen_pair pair = {.block = tree->block, .warm = index > 0, .failures = tree->failures};
    ncut_split found;
    diffcut_status status = ncut_solve(w, &graph, &rules, fraction, scratch, &pair, &found);
    if (status != DIFFCUT_OK) {
        return status;
    }
    if (index == 0 && found.best >= 0 && work_dumps(w)) {
        dump_vector(w, tree, scratch);
    }
    for (size_t i = 0; found.best >= 0 && i < span->kept; i++) {
        tree->side[tokens[i]] = scratch->side[i];
    }
    tree->failures = pair.failures;
    tree->nodes[index].cost = found.cost;
    tree->spans[index].solved = true;
    *touched += (uint64_t)span->kept * span->kept * (pair.passes + 2);
    return DIFFCUT_OK;
}

static bool is_leaf(const diffcut_tree *tree, size_t index) {
    return tree->nodes[index].positive < 0;
}

/* The largest node that expanding to tau has to solve; 0 when there is nothing to do. */
static size_t largest_unsolved(const diffcut_tree *tree, double tau) {
    size_t most = 0;
    for (size_t i = 0; i < tree->count; i++) {
        bool open = !tree->spans[i].solved || (is_leaf(tree, i) && tree->nodes[i].cost < tau);
        most = open && tree->spans[i].count > most ? tree->spans[i].count : most;
    }
    return most;
}

/* Solves and splits until every leaf is solved and costs at least tau. On failure the tree is valid and what was done
 * stays done. */
static diffcut_status expand(work *w, diffcut_tree *tree, double tau) {
    size_t most = largest_unsolved(tree, tau);
    if (most == 0) {
        return DIFFCUT_OK;
    }
    ncut_scratch scratch;
    diffcut_status status = ncut_scratch_create(most, w->diag, &scratch);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint64_t touched = ENTRIES_PER_PROGRESS;
    size_t settled = 0;
    for (size_t i = 0; i < tree->count && status == DIFFCUT_OK; i++) { /* grows as it goes */
        double fraction = (double)settled / (double)tree->tokens;
        if (touched >= ENTRIES_PER_PROGRESS) {
            touched = 0;
            status = work_progress(w, fraction);
        }
        if (status == DIFFCUT_OK && !tree->spans[i].solved) {
            status = solve_node(w, tree, i, fraction, &scratch, &touched);
        }
        if (status == DIFFCUT_OK && is_leaf(tree, i)) {
            if (tree->nodes[i].cost < tau) {
                split_node(w, tree, i);
            } else {
                settled += tree->spans[i].count;
            }
        }
    }
    ncut_scratch_free(&scratch);
    return status;
}

/* ------------------------------------------------------------------------------------------------- the interface */

diffcut_status tree_build(work *w, const diffcut_features *features, const diffcut_settings *settings,
                          diffcut_tree **out) {
    diffcut_tree *tree = NULL;
    diffcut_status status = create(w, features, settings, &tree);
    if (status != DIFFCUT_OK) {
        return status;
    }
    work_enter(w, DIFFCUT_STAGE_AFFINITY);
    status = affinity_create(w, features, settings->alpha, &tree->matrix);
    work_enter(w, DIFFCUT_STAGE_CUT);
    if (status == DIFFCUT_OK && tree->matrix == NULL) {
        tree->spans[0].solved = true; /* a constant map is one segment */
    } else if (status == DIFFCUT_OK) {
        size_t shape[2] = {tree->tokens, tree->tokens};
        work_dump(w, "affinity", tree->matrix, shape, 2);
        if (tree->zero != NULL) {
            parallel_for(w->threads, (tree->tokens + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE, find_zero_rows, tree);
        }
        status = expand(w, tree, settings->tau);
    }
    if (status != DIFFCUT_OK) {
        diffcut_tree_free(tree);
        return status;
    }
    *out = tree;
    return DIFFCUT_OK;
}

static bool splits_at(const diffcut_tree *tree, size_t index, double tau) {
    return !is_leaf(tree, index) && tree->nodes[index].cost < tau;
}

/* Labels the segment that a node ends in when every split is left on its negative side. */
static void label_negative_end(const diffcut_tree *tree, size_t index, double tau, uint32_t label, uint32_t *data) {
    while (splits_at(tree, index, tau)) {
        index = (size_t)tree->nodes[index].negative;
    }
    const tree_span *span = &tree->spans[index];
    for (uint32_t i = 0; i < span->count; i++) {
        data[tree->order[span->begin + i]] = label;
    }
}

/* The published code adds its positive masks up in the order they were found (a node, then its positive side, then
 * its negative one), each with a weight above all sums so far, and numbers the sums. So of two segments the one in
 * the latest mask that does not hold both comes second; a segment in no mask comes first. Hence the order of a node:
 * the end of its negative sides; all of its positive child; the rest of its negative child. */
static uint32_t label_nodes(const diffcut_tree *tree, double tau, uint32_t *stack, uint32_t *data) {
    uint32_t label = 0;
    size_t depth = 0;
    label_negative_end(tree, 0, tau, label++, data);
    stack[depth++] = 0;
    while (depth > 0) {
        size_t index = stack[--depth];
        if (splits_at(tree, index, tau)) {
            const diffcut_tree_node *node = &tree->nodes[index];
            label_negative_end(tree, (size_t)node->positive, tau, label++, data);
            stack[depth++] = (uint32_t)node->negative;
            stack[depth++] = (uint32_t)node->positive;
        }
    }
    return label;
}

diffcut_status tree_cut(work *w, diffcut_tree *tree, double tau, diffcut_labels *out) {
    if (!(tau >= 0.0 && tau <= 1.0)) {
        return diag_fail(w->diag, DIFFCUT_ERROR_ARGUMENT, "tau is %g, not in 0 .. 1", tau);
    }
    diffcut_status status = expand(w, tree, tau);
    if (status != DIFFCUT_OK) {
        return status;
    }
    uint32_t *data = mem_array(tree->tokens, sizeof *data);
    uint32_t *stack = mem_array(tree->tokens + 1, sizeof *stack); /* at most one node a level waits, and one more */
    if (data == NULL || stack == NULL) {
        mem_free(data);
        mem_free(stack);
        return diag_no_memory(w->diag, tree->tokens * sizeof *data, "token labels");
    }
    uint32_t count = label_nodes(tree, tau, stack, data);
    mem_free(stack);
    *out = (diffcut_labels){tree->width, tree->height, count, data};
    return DIFFCUT_OK;
}

const diffcut_tree_node *diffcut_tree_nodes(const diffcut_tree *tree, size_t *count) {
    *count = tree->count;
    return tree->nodes;
}

static int compare_tokens(const void *a, const void *b) {
    uint32_t first, second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return (first > second) - (first < second);
}

const uint32_t *diffcut_tree_node_tokens(const diffcut_tree *tree, size_t node, size_t *count) {
    *count = 0;
    if (node >= tree->count) {
        return NULL;
    }
    const tree_span *span = &tree->spans[node];
    uint32_t *list = tree->lists[node];
    if (list == NULL) {
        list = mem_array(span->count, sizeof *list);
        if (list == NULL) {
            return NULL;
        }
        memcpy(list, tree->order + span->begin, span->count * sizeof *list);
        qsort(list, span->count, sizeof *list, compare_tokens);
        tree->lists[node] = list;
    }
    *count = span->count;
    return list;
}
