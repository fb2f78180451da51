/* context_cache.c - see context_cache.h. */
#include "model/context_cache.h"

#include "core/memory.h"

#include <string.h>

static void free_entry(context_entry *entry) {
    unet_context_free(entry->context);
    mem_free(entry->prompt);
    mem_free(entry);
}

/* Drops entries without users until at most `kept` are left, those asked for longest ago first. */
static void shrink(context_cache *self, size_t kept) {
    while (self->count > kept) {
        context_entry **oldest = NULL;
        for (context_entry **at = &self->first; *at != NULL; at = &(*at)->next) {
            if ((*at)->users == 0 && (oldest == NULL || (*at)->asked < (*oldest)->asked)) {
                oldest = at;
            }
        }
        if (oldest == NULL) {
            return;
        }
        context_entry *entry = *oldest;
        *oldest = entry->next;
        self->count--;
        free_entry(entry);
    }
}

const context_entry *context_cache_take(context_cache *self, const char *prompt) {
    for (context_entry *at = self->first; at != NULL; at = at->next) {
        if (strcmp(at->prompt, prompt) == 0) {
            at->users++;
            at->asked = ++self->clock;
            return at;
        }
    }
    return NULL;
}

diffcut_status context_cache_add(context_cache *self, const char *prompt, unet_context *context, uint32_t cut_to,
                                 const context_entry **out, diffcut_diagnostics *diag) {
    context_entry *entry = mem_array_zero(1, sizeof *entry);
    char *copy = mem_string(prompt);
    if (entry == NULL || copy == NULL) {
        mem_free(entry);
        mem_free(copy);
        return diag_no_memory(diag, sizeof *entry + strlen(prompt) + 1, "the text context");
    }
    shrink(self, CONTEXT_CACHE_KEPT - 1);
    *entry = (context_entry){.prompt = copy,
                             .context = context,
                             .cut_to = cut_to,
                             .users = 1,
                             .asked = ++self->clock,
                             .next = self->first};
    self->first = entry;
    self->count++;
    *out = entry;
    return DIFFCUT_OK;
}

void context_cache_release(context_cache *self, const unet_context *context) {
    for (context_entry *at = self->first; at != NULL; at = at->next) {
        if (at->context == context && at->users > 0) {
            at->users--;
            break;
        }
    }
    shrink(self, CONTEXT_CACHE_KEPT);
}

void context_cache_free(context_cache *self) {
    while (self->first != NULL) {
        context_entry *entry = self->first;
        self->first = entry->next;
        free_entry(entry);
    }
    *self = (context_cache){.first = NULL};
}
