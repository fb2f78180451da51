/* eval_plan.c - see eval_plan.h. */
#include "eval_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

/* ------------------------------------------------------------------------------------------------- reading */

/* What a key of --sweep takes. */
typedef struct sweep_key {
    const char *name;
    double low, high; /* low itself is allowed */
    bool whole;
    sweep_values *values;
} sweep_key;

/* 0.3 + 3 * 0.05 as people write it: rounded to twelve decimals, so that it reads 0.45. */
static double tidy(double value) {
    return round(value * 1e12) / 1e12;
}

static bool add_value(const sweep_key *key, double value, text *error) {
    if (value < key->low || value > key->high || (key->whole && value != floor(value))) {
        text_print(error, "%s=", key->name);
        text_add_real(error, value);
        text_print(error, key->whole ? " is no whole number in " : " is outside ");
        text_add_real(error, key->low);
        text_add(error, " .. ");
        text_add_real(error, key->high);
        return false;
    }
    for (size_t i = 0; i < key->values->count; i++) {
        if (key->values->values[i] == value) {
            text_print(error, "%s=", key->name);
            text_add_real(error, value);
            text_add(error, " is given twice");
            return false;
        }
    }
    if (key->values->count == SWEEP_MAX_VALUES) {
        text_print(error, "%s has more than %d values", key->name, SWEEP_MAX_VALUES);
        return false;
    }
    key->values->values[key->values->count++] = value;
    return true;
}

/* "FIRST:LAST:STEP". */
static bool add_range(const sweep_key *key, char *item, text *error) {
    char *middle = strchr(item, ':');
    char *end = middle != NULL ? strchr(middle + 1, ':') : NULL;
    double first = 0;
    double last = 0;
    double step = 0;
    if (end != NULL) {
        *middle = '\0';
        *end = '\0';
    }
    if (end == NULL || !value_real(item, &first) || !value_real(middle + 1, &last) || !value_real(end + 1, &step) ||
        step <= 0 || last < first) {
        text_print(error, "%s: a range is FIRST:LAST:STEP, ascending", key->name);
        return false;
    }
    const double steps = floor((last - first) / step + 1e-9);
    if (steps >= SWEEP_MAX_VALUES) {
        text_print(error, "%s has more than %d values", key->name, SWEEP_MAX_VALUES);
        return false;
    }
    for (size_t i = 0; i <= (size_t)steps; i++) {
        if (!add_value(key, tidy(first + (double)i * step), error)) {
            return false;
        }
    }
    return true;
}

static bool add_item(const sweep_key *key, char *item, text *error) {
    double value = 0;
    if (strchr(item, ':') != NULL) {
        return add_range(key, item, error);
    }
    if (!value_real(item, &value)) {
        text_print(error, "%s: '%s' is not a number", key->name, item);
        return false;
    }
    return add_value(key, value, error);
}

static bool add_switch(eval_sweep *sweep, const char *item, text *error) {
    const bool on = strcmp(item, "on") == 0;
    bool *flag = on ? &sweep->refine_on : &sweep->refine_off;
    if ((!on && strcmp(item, "off") != 0) || *flag) {
        text_print(error, "refine: '%s' is %s", item, *flag ? "given twice" : "neither on nor off");
        return false;
    }
    *flag = true;
    return true;
}

bool eval_parse_sweep(const char *argument, void *target, text *error) {
    eval_sweep *sweep = calloc(1, sizeof *sweep);
    if (sweep == NULL) {
        text_add(error, "out of memory");
        return false;
    }
    const sweep_key keys[] = {{"tau", 0, 1, false, &sweep->tau},
                              {"alpha", 1e-6, 1e6, false, &sweep->alpha},
                              {"k", 1, 256, true, &sweep->k}};
    const sweep_key *key = NULL;
    bool refine = false;
    bool fine = true;
    char item[128];
    for (size_t i = 0; fine && value_list_item(argument, i, item, sizeof item); i++) {
        char *value = strchr(item, '=');
        if (value != NULL) {
            *value++ = '\0';
            key = NULL;
            refine = strcmp(item, "refine") == 0;
            for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
                key = strcmp(item, keys[k].name) == 0 ? &keys[k] : key;
            }
        }
        if (key == NULL && !refine) {
            text_print(error, "'%s' is none of tau, alpha, refine and k", item);
            fine = false;
        } else {
            value = value != NULL ? value : item;
            fine = refine ? add_switch(sweep, value, error) : add_item(key, value, error);
        }
    }
    if (fine) {
        memcpy(target, sweep, sizeof *sweep);
    }
    free(sweep);
    return fine;
}

bool eval_parse_methods(const char *argument, void *target, text *error) {
    eval_methods methods = {.count = 0};
    char item[64];
    for (size_t i = 0; value_list_item(argument, i, item, sizeof item); i++) {
        diffcut_diagnostics diagnostics;
        diffcut_method method;
        if (diffcut_method_find(item, &method, &diagnostics) != DIFFCUT_OK) {
            text_add(error, diagnostics.message);
            return false;
        }
        for (size_t m = 0; m < methods.count; m++) {
            if (methods.values[m] == method) {
                text_print(error, "%s is given twice", item);
                return false;
            }
        }
        methods.values[methods.count++] = method;
    }
    memcpy(target, &methods, sizeof methods);
    return true;
}

/* ------------------------------------------------------------------------------------------------- combining */

static bool has_tree(diffcut_method method) {
    return method == DIFFCUT_METHOD_DIFFCUT || method == DIFFCUT_METHOD_COLOUR;
}

static bool has_k(diffcut_method method) {
    return method == DIFFCUT_METHOD_KMEANS || method == DIFFCUT_METHOD_AUTOSC || method == DIFFCUT_METHOD_MASKCUT;
}

static void name_choice(eval_choice *c) {
    text name = {0};
    text_add(&name, diffcut_method_name(c->method));
    if (has_tree(c->method)) {
        text_add(&name, " alpha=");
        text_add_real(&name, c->alpha);
        text_add(&name, " tau=");
        text_add_real(&name, c->tau);
    }
    if (c->k > 0) {
        text_print(&name, " k=%u", c->k);
    }
    text_print(&name, " refine=%s", c->refine ? "on" : "off");
    (void)snprintf(c->name, sizeof c->name, "%s", text_string(&name));
    text_free(&name);
}

/* Places a choice and its refinements; with choices NULL only counts. */
static void add_choice(eval_plan *plan, eval_choice c, const eval_sweep *sweep, bool refine) {
    const bool given = sweep->refine_on || sweep->refine_off;
    for (int off = 0; off < 2; off++) {
        const bool wanted = given ? (off != 0 ? sweep->refine_off : sweep->refine_on) : refine == (off == 0);
        if (!wanted) {
            continue;
        }
        if (plan->choices != NULL) {
            c.refine = off == 0;
            name_choice(&c);
            plan->choices[plan->count] = c;
        }
        plan->count++;
    }
}

static void add_method(eval_plan *plan, diffcut_method method, const eval_sweep *sweep,
                       const settings_options *settings) {
    const bool tree = has_tree(method);
    const size_t alphas = tree && sweep->alpha.count > 0 ? sweep->alpha.count : 1;
    const size_t taus = !tree ? 1 : sweep->tau.count > 0 ? sweep->tau.count : settings->taus.count;
    const size_t ks = has_k(method) && sweep->k.count > 0 ? sweep->k.count : 1;
    for (size_t k = 0; k < ks; k++) {
        for (size_t a = 0; a < alphas; a++) {
            for (size_t t = 0; t < taus; t++) {
                eval_choice c = {.method = method, .tau = NAN, .alpha = NAN};
                if (tree) {
                    c.alpha = sweep->alpha.count > 0 ? sweep->alpha.values[a] : settings->values.alpha;
                    c.tau = sweep->tau.count > 0 ? sweep->tau.values[t] : settings->taus.values[t];
                }
                if (has_k(method) && sweep->k.count > 0) {
                    c.k = (uint32_t)sweep->k.values[k];
                }
                add_choice(plan, c, sweep, settings->values.refine);
            }
        }
    }
}

static void add_methods(eval_plan *plan, const eval_methods *methods, const eval_sweep *sweep,
                        const settings_options *settings) {
    plan->count = 0;
    for (size_t i = 0; i < methods->count; i++) {
        add_method(plan, methods->values[i], sweep, settings);
    }
    if (methods->count == 0) {
        add_method(plan, DIFFCUT_METHOD_DIFFCUT, sweep, settings);
    }
}

bool eval_plan_make(const eval_methods *methods, const eval_sweep *sweep, const settings_options *settings,
                    eval_plan *out, text *error) {
    eval_plan plan = {0};
    add_methods(&plan, methods, sweep, settings);
    if (plan.count == 0 || plan.count > PLAN_MAX_SETTINGS) {
        text_print(error, "%zu settings; there must be 1 .. %d", plan.count, PLAN_MAX_SETTINGS);
        return false;
    }
    plan.choices = calloc(plan.count, sizeof *plan.choices);
    if (plan.choices == NULL) {
        text_add(error, "out of memory");
        return false;
    }
    add_methods(&plan, methods, sweep, settings);
    *out = plan;
    return true;
}

void eval_plan_free(eval_plan *plan) {
    free(plan->choices);
    *plan = (eval_plan){0};
}

bool eval_plan_continues(const eval_plan *plan, size_t index) {
    if (index == 0 || index >= plan->count) {
        return false;
    }
    const eval_choice *before = &plan->choices[index - 1];
    const eval_choice *c = &plan->choices[index];
    return c->method == before->method && c->k == before->k && (!has_tree(c->method) || c->alpha == before->alpha);
}
