/* The choice of an instruction set. */
#include "test.h"

#include "core/cpu.h"

#include <string.h>

static void levels_have_the_names_that_the_environment_uses(void **state) {
    (void)state;
#if defined(__aarch64__)
    assert_string_equal(cpu_level_name(CPU_GENERIC), "neon");
#else
    assert_string_equal(cpu_level_name(CPU_GENERIC), "generic");
#endif
    assert_string_equal(cpu_level_name(CPU_AVX2), "avx2");
    assert_string_equal(cpu_level_name(CPU_AVX512), "avx512");
    assert_string_equal(cpu_level_name(CPU_AVX512_BF16), "avx512bf16");
    assert_string_equal(cpu_level_name(CPU_LEVEL_COUNT), "unknown");
}

static void the_environment_lowers_the_level_and_never_raises_it(void **state) {
    (void)state;
    const char *before = getenv("DIFFCUT_CPU");
    char *kept = before != NULL ? strdup(before) : NULL;
    assert_int_equal(unsetenv("DIFFCUT_CPU"), 0);
    cpu_level best = cpu_best_level();
    for (cpu_level level = CPU_GENERIC; level < CPU_LEVEL_COUNT; level++) {
        assert_int_equal(setenv("DIFFCUT_CPU", cpu_level_name(level), 1), 0);
        assert_int_equal(cpu_best_level(), level < best ? level : best);
    }
    assert_int_equal(setenv("DIFFCUT_CPU", "no such level", 1), 0);
    assert_int_equal(cpu_best_level(), best);
    assert_int_equal(setenv("DIFFCUT_CPU", "", 1), 0);
    assert_int_equal(cpu_best_level(), best);
    if (kept != NULL) {
        assert_int_equal(setenv("DIFFCUT_CPU", kept, 1), 0);
        free(kept);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_have_the_names_that_the_environment_uses),
        cmocka_unit_test(the_environment_lowers_the_level_and_never_raises_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
