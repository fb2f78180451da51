/*
 * version.c - what this build is. The text is made once, on first use; thread-safe.
 */
#include "core/cpu.h"
#include "core/gemm.h"
#include "diffcut/diffcut.h"

#include <stdio.h>
#include <threads.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

#ifdef _OPENMP
#define THREADING "OpenMP"
#else
#define THREADING "one thread"
#endif

const char *diffcut_version(void) {
    return TEXT(DIFFCUT_VERSION_MAJOR) "." TEXT(DIFFCUT_VERSION_MINOR) "." TEXT(DIFFCUT_VERSION_PATCH);
}

static char build_info[160];
static once_flag build_info_once = ONCE_FLAG_INIT;

static void make_build_info(void) {
    (void)snprintf(build_info, sizeof build_info, "compiler %s, GEMM by %s, %s, instruction set %s", __VERSION__,
                   gemm_library(), THREADING, cpu_level_name(cpu_best_level()));
}

const char *diffcut_build_info(void) {
    call_once(&build_info_once, make_build_info);
    return build_info;
}
