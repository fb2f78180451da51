/*
 * routes.c - the addresses of the server and what answers each.
 *
 * doc/openapi.json describes them for programs, doc/SERVE.md for people; a test compares all three.
 */
#include <string.h>

#include "events.h"
#include "files.h"
#include "info.h"
#include "request.h"

#define ANALYSE_FIELDS "size square resample timestep seed prompt alpha min_tokens max_tau"
#define RESULT_FIELDS "tau refine iterations dilations median refine_size width format opacity boundaries"
#define LEAVES_MOST_WIDTH 1024
#define LEAVES_WIDTH 512

/* ------------------------------------------------------------------------------------------------- fixed files */

static void answer_file(request *r, const served_file *file) {
    if (file == NULL) {
        problem p;
        (void)problem_set(&p, 404, "not_found", NULL, "there is nothing under this address");
        request_problem(r, &p);
        return;
    }
    answer a = {.status = 200, .type = files_type(file->name), .fixed = file->begin};
    a.fixed_size = (size_t)(file->end - file->begin);
    request_answer(r, &a);
}

/* The page; with ?token=, the token is handed over once for a cookie, and leaves the address. */
static void run_page(request *r) {
    const server *s = r->server;
    const char *token = s->mhd.lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, "token");
    if (token == NULL || s->guard.token == NULL) {
        answer_file(r, files_find(files_page, "index.html"));
        return;
    }
    if (!guard_is_token(&s->guard, token)) {
        problem p;
        (void)problem_set(&p, 401, "no_token", "token", "this is not the server's token");
        request_problem(r, &p);
        return;
    }
    answer a = {.status = 303, .type = ANSWER_JSON};
    answer_header_add(&a, "Location", "/");
    answer_header_add(&a, "Set-Cookie", "diffcut=%s; HttpOnly; SameSite=Strict; Path=/", s->guard.cookie);
    request_answer(r, &a);
}

static void run_page_file(request *r) {
    answer_file(r, files_find(files_page, r->word));
}

static void run_sample(request *r) {
    answer_file(r, files_find(files_samples, r->word));
}

static void run_openapi(request *r) {
    answer_file(r, files_openapi);
}

/* ------------------------------------------------------------------------------------------------- the server */

static void run_health(request *r) {
    answer a = {.status = 200, .type = ANSWER_JSON};
    text_add(&a.body, "{\"status\": \"ok\"}\n");
    request_answer(r, &a);
}

static void run_metrics(request *r) {
    answer a = {.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8"};
    info_metrics(r->server, &a.body);
    request_answer(r, &a);
}

static void run_info(request *r) {
    answer a = {.status = 200, .type = ANSWER_JSON};
    info_json(r->server, &a.body);
    request_answer(r, &a);
}

/* ------------------------------------------------------------------------------------------------- checks */

static bool refuse(request *r, problem *p) {
    request_problem(r, p);
    return false;
}

static bool has(const request *r, const char *field) {
    return params_has(&r->query, r->route->fields, field);
}

/* The formats of an address are a set of 1 << format. */
static bool check_format(request *r, unsigned allowed, params_format otherwise) {
    problem p;
    if (!has(r, "format")) {
        r->query.format = otherwise;
    }
    if ((allowed & 1u << r->query.format) != 0) {
        return true;
    }
    (void)problem_set(&p, 400, "bad_value", "format", "format: not one that this address gives");
    return refuse(r, &p);
}

static bool check_map_format(request *r, params_format otherwise) {
    return check_format(r,
                        1u << FORMAT_JSON | 1u << FORMAT_PNG | 1u << FORMAT_OVERLAY | 1u << FORMAT_COCO |
                            1u << FORMAT_NPY | 1u << FORMAT_RAW16,
                        otherwise);
}

/* The tree of the path, whose owner the caller becomes; NULL after having answered. */
static stored_tree *take_tree(request *r) {
    stored_tree *tree = trees_find(&r->server->trees, r->word);
    if (tree == NULL) {
        problem p;
        (void)problem_set(&p, 404, "no_tree", "id", "there is no such tree, or it had to make room");
        request_problem(r, &p);
    }
    return tree;
}

/* A result of this width must not have more pixels than a photo may. */
static bool check_width(request *r, const stored_tree *tree) {
    const diffcut_image *image = &tree->photo->image;
    const uint64_t longest = image->width > image->height ? image->width : image->height;
    const uint64_t shortest = image->width > image->height ? image->height : image->width;
    const uint64_t width = r->query.width;
    problem p;
    if (width * (width * shortest / longest) <= r->server->limits.max_pixels) {
        return true;
    }
    (void)problem_set(&p, 422, "too_large", "width", "width: the result would have more pixels than the %llu allowed",
                      (unsigned long long)r->server->limits.max_pixels);
    return refuse(r, &p);
}

/* ------------------------------------------------------------------------------------------------- jobs */

static void submit_photo(request *r, job_kind kind, bool listed) {
    jobs *j = &r->server->jobs;
    job *what = jobs_create(j, kind, &r->query, &r->body, NULL);
    r->server->body_bytes -= r->reserved; /* from now on the job's */
    r->reserved = 0;
    request_wait(r, what, listed);
}

static void run_post_job(request *r) {
    submit_photo(r, JOB_ANALYSE, true);
}

static void run_segment(request *r) {
    const double tau = r->query.settings.values.tau;
    problem p;
    if (!check_map_format(r, FORMAT_JSON)) {
        return;
    }
    if (!has(r, "max_tau")) {
        r->query.max_tau = tau;
    }
    if (r->query.max_tau < tau) {
        (void)problem_set(&p, 400, "bad_value", "max_tau", "max_tau is below tau");
        request_problem(r, &p);
        return;
    }
    submit_photo(r, JOB_SEGMENT, false);
}

/* The job of the path, whose owner the caller becomes; NULL after having answered. */
static job *take_job(request *r) {
    job *what = jobs_find(&r->server->jobs, r->word);
    if (what == NULL) {
        problem p;
        (void)problem_set(&p, 404, "no_job", "id", "there is no such job, or it was finished long ago");
        request_problem(r, &p);
    }
    return what;
}

static void answer_job(request *r, job *what) {
    answer a = {.status = 200, .type = ANSWER_JSON};
    events_job_json(r, what, &a.body);
    text_add(&a.body, "\n");
    jobs_release(&r->server->jobs, what);
    request_answer(r, &a);
}

static void run_get_job(request *r) {
    job *what = take_job(r);
    if (what != NULL) {
        answer_job(r, what);
    }
}

static void run_delete_job(request *r) {
    job *what = take_job(r);
    if (what != NULL) {
        jobs_cancel(&r->server->jobs, what, JOB_STOP_ASKED);
        answer_job(r, what);
    }
}

static void run_events(request *r) {
    r->job = take_job(r);
    if (r->job != NULL) {
        events_start(r);
    }
}

/* ------------------------------------------------------------------------------------------------- trees */

static void run_get_tree(request *r) {
    stored_tree *tree = take_tree(r);
    if (tree == NULL) {
        return;
    }
    answer a = {.status = 200, .type = ANSWER_JSON};
    text_print(&a.body, "{\"id\": \"%s\", \"width\": %u, \"height\": %u, \"alpha\": ", tree->id,
               tree->photo->image.width, tree->photo->image.height);
    text_add_real(&a.body, tree->alpha);
    text_print(&a.body, ", \"min_tokens\": %u, ", tree->min_tokens);
    tree_data_json(&tree->data, &a.body);
    text_add(&a.body, "}\n");
    trees_release(&r->server->trees, tree);
    request_answer(r, &a);
}

static void run_delete_tree(request *r) {
    problem p;
    if (!trees_remove(&r->server->trees, r->word)) {
        (void)problem_set(&p, 404, "no_tree", "id", "there is no such tree, or it had to make room");
        request_problem(r, &p);
        return;
    }
    answer a = {.status = 204};
    request_answer(r, &a);
}

/* Takes the tree's owner over. */
static void submit_tree(request *r, job_kind kind, stored_tree *tree) {
    job *what = jobs_create(&r->server->jobs, kind, &r->query, NULL, tree);
    if (what == NULL) {
        trees_release(&r->server->trees, tree);
    }
    request_wait(r, what, false);
}

/* The tau of a cut is one that the tree has; where none is given, the nearest to the default. */
static bool check_cut(request *r, const stored_tree *tree) {
    double *tau = &r->query.settings.values.tau;
    problem p;
    if (!has(r, "tau") && *tau > tree->data.max_tau) {
        *tau = tree->data.max_tau;
    }
    if (*tau > tree->data.max_tau) {
        (void)problem_set(&p, 422, "bad_value", "tau", "tau: this tree was built to %g", tree->data.max_tau);
        return refuse(r, &p);
    }
    return check_width(r, tree);
}

static bool check_labels(request *r, const stored_tree *tree) {
    return check_cut(r, tree) && check_map_format(r, FORMAT_PNG);
}

static void run_labels(request *r) {
    stored_tree *tree = take_tree(r);
    if (tree != NULL && check_labels(r, tree)) {
        submit_tree(r, JOB_LABELS, tree);
    } else {
        trees_release(&r->server->trees, tree);
    }
}

/* The list of classes that the request names, whose owner the caller becomes; NULL after having answered. */
static class_list *take_classes(request *r) {
    namer *n = r->server->jobs.settings.names;
    problem p;
    if (n == NULL) {
        (void)problem_set(&p, 501, "no_clip", NULL,
                          "this server cannot name: it was started without --clip PATH, the CLIP that names");
        request_problem(r, &p);
        return NULL;
    }
    class_list *list = names_list(n, &r->query, &p);
    if (list == NULL) {
        request_problem(r, &p);
    }
    return list;
}

static void run_names(request *r) {
    const unsigned formats = 1u << FORMAT_JSON | 1u << FORMAT_PNG | 1u << FORMAT_OVERLAY;
    stored_tree *tree = take_tree(r);
    if (tree == NULL) {
        return;
    }
    class_list *list = check_cut(r, tree) && check_format(r, formats, FORMAT_JSON) ? take_classes(r) : NULL;
    if (list == NULL) {
        trees_release(&r->server->trees, tree);
        return;
    }
    job *what = jobs_create(&r->server->jobs, JOB_NAMES, &r->query, NULL, tree);
    if (what == NULL) {
        trees_release(&r->server->trees, tree);
        names_release(r->server->jobs.settings.names, list);
    } else {
        what->classes = list;
    }
    request_wait(r, what, false);
}

static bool check_leaves(request *r) {
    problem p;
    if (!has(r, "width")) {
        r->query.width = LEAVES_WIDTH;
    }
    if (r->query.width <= LEAVES_MOST_WIDTH) {
        return true;
    }
    (void)problem_set(&p, 400, "bad_value", "width", "width: %u is outside 1 .. %d", r->query.width,
                      LEAVES_MOST_WIDTH);
    return refuse(r, &p);
}

static void run_leaves(request *r) {
    stored_tree *tree = take_tree(r);
    if (tree != NULL && check_leaves(r)) {
        submit_tree(r, JOB_LEAVES, tree);
    } else {
        trees_release(&r->server->trees, tree);
    }
}

static bool check_point(request *r, const stored_tree *tree) {
    const diffcut_image *image = &tree->photo->image;
    problem p;
    if (!has(r, "x") || !has(r, "y")) {
        const char *missing = has(r, "x") ? "y" : "x";
        (void)problem_set(&p, 400, "missing_field", missing, "%s is needed: a pixel of the photo", missing);
        return refuse(r, &p);
    }
    if (r->query.x >= image->width || r->query.y >= image->height) {
        (void)problem_set(&p, 422, "bad_value", r->query.x >= image->width ? "x" : "y",
                          "%u,%u is outside the photo of %ux%u pixels", r->query.x, r->query.y, image->width,
                          image->height);
        return refuse(r, &p);
    }
    return check_format(r, 1u << FORMAT_PNG | 1u << FORMAT_RAW8, FORMAT_PNG) && check_width(r, tree);
}

static void run_similarity(request *r) {
    stored_tree *tree = take_tree(r);
    if (tree != NULL && check_point(r, tree)) {
        submit_tree(r, JOB_SIMILARITY, tree);
    } else {
        trees_release(&r->server->trees, tree);
    }
}

static void run_recut(request *r) {
    stored_tree *tree = take_tree(r);
    if (tree == NULL) {
        return;
    }
    diffcut_settings *values = &r->query.settings.values;
    values->alpha = has(r, "alpha") ? values->alpha : tree->alpha;
    values->min_tokens = has(r, "min_tokens") ? values->min_tokens : tree->min_tokens;
    r->query.max_tau = has(r, "max_tau") ? r->query.max_tau : tree->data.max_tau;
    submit_tree(r, JOB_RECUT, tree);
}

/* ------------------------------------------------------------------------------------------------- the table */

const route routes[] = {
    {"GET", "/", NULL, BODY_NONE, true, run_page},
    {"GET", "/healthz", "", BODY_NONE, true, run_health},
    {"GET", "/metrics", "", BODY_NONE, false, run_metrics},
    {"GET", "/v1/info", "", BODY_NONE, false, run_info},
    {"GET", "/v1/openapi.json", "", BODY_NONE, true, run_openapi},
    {"GET", "/v1/samples/{}", "", BODY_NONE, false, run_sample},
    {"POST", "/v1/segment", ANALYSE_FIELDS " " RESULT_FIELDS, BODY_PHOTO, false, run_segment},
    {"POST", "/v1/jobs", ANALYSE_FIELDS, BODY_PHOTO, false, run_post_job},
    {"GET", "/v1/jobs/{}", "", BODY_NONE, false, run_get_job},
    {"DELETE", "/v1/jobs/{}", "", BODY_NONE, false, run_delete_job},
    {"GET", "/v1/jobs/{}/events", "", BODY_NONE, false, run_events},
    {"GET", "/v1/trees/{}", "", BODY_NONE, false, run_get_tree},
    {"DELETE", "/v1/trees/{}", "", BODY_NONE, false, run_delete_tree},
    {"GET", "/v1/trees/{}/leaves", "width", BODY_NONE, false, run_leaves},
    {"GET", "/v1/trees/{}/labels", RESULT_FIELDS, BODY_NONE, false, run_labels},
    {"GET", "/v1/trees/{}/similarity", "x y width format", BODY_NONE, false, run_similarity},
    {"POST", "/v1/trees/{}/names", "classes vocabulary background " RESULT_FIELDS, BODY_FIELDS, false, run_names},
    {"POST", "/v1/trees/{}/recut", "alpha min_tokens max_tau", BODY_NONE, false, run_recut},
    {"GET", "/{}", NULL, BODY_NONE, true, run_page_file},
};
const size_t route_count = sizeof routes / sizeof *routes;
