/*
 * version.c - what this build is. The text is made once, on first use; thread-safe.
 */
#include "core/cpu.h"
#include "core/gemm.h"
#include "diffcut/diffcut.h"

#include <pthread.h>
#include <stdio.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *diffcut_version(void) {
    return TEXT(DIFFCUT_VERSION_MAJOR) "." TEXT(DIFFCUT_VERSION_MINOR) "." TEXT(DIFFCUT_VERSION_PATCH);
}

static char build_info[160];
static pthread_once_t build_info_once = PTHREAD_ONCE_INIT;

static void make_build_info(void) {
    (void)snprintf(build_info, sizeof build_info, "compiler %s, GEMM by %s, instruction set %s", __VERSION__,
                   gemm_library(), cpu_level_name(cpu_best_level()));
}

const char *diffcut_build_info(void) {
    (void)pthread_once(&build_info_once, make_build_info);
    return build_info;
}
