/* test.h - cmocka with what it needs, and the skip code that ctest counts. */
#ifndef DIFFCUT_TESTS_TEST_H
#define DIFFCUT_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEST_SKIPPED 77 /* exit status: the whole program was skipped (ctest's SKIP_RETURN_CODE) */

#endif
