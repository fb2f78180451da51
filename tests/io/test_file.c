/* test_file.c - files are read whole and written whole or not at all, whatever goes wrong on the way. */
#include "io_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/memory.h"

/* A folder of each test's own, and paths in it. */
typedef struct place {
    char folder[64];
    char path[128];
} place;

static int enter(void **state) {
    place *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return -1;
    }
    (void)snprintf(p->folder, sizeof p->folder, "test_io_file.XXXXXX");
    if (mkdtemp(p->folder) == NULL || chmod(p->folder, 0777) != 0) {
        free(p);
        return -1;
    }
    (void)snprintf(p->path, sizeof p->path, "%s/a.png", p->folder);
    *state = p;
    return 0;
}

/* How many files are in the folder; removes them if asked to. */
static int files_in(const char *folder, bool removed) {
    int count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
            if (removed) {
                (void)unlinkat(dirfd(directory), entry->d_name, 0);
            }
        }
    }
    (void)closedir(directory);
    return count;
}

static int leave(void **state) {
    place *p = *state;
    (void)files_in(p->folder, true);
    int result = rmdir(p->folder);
    free(p);
    return result;
}

static void assert_content(const char *path, const void *wanted, size_t size) {
    diffcut_buffer got;
    diffcut_diagnostics diag;
    assert_ok(diffcut_read_file(path, 0, &got, &diag), diag);
    assert_int_equal(got.size, size);
    assert_memory_equal(got.data, wanted, size);
    diffcut_buffer_free(&got);
}

/* Runs the body as somebody whom permissions bind: as itself, or as nobody when it is root. */
static int as_a_plain_user(diffcut_status (*body)(const place *, diffcut_diagnostics *), const place *p,
                           diffcut_diagnostics *diag) {
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        diffcut_status status = DIFFCUT_OK;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(99);
        }
        status = body(p, diag);
        ssize_t written = write(channel[1], diag, sizeof *diag);
        _exit(written == (ssize_t)sizeof *diag ? (int)status : 98);
    }
    (void)close(channel[1]);
    assert_int_equal(read(channel[0], diag, sizeof *diag), sizeof *diag);
    (void)close(channel[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ------------------------------------------------------------------------------------------------- reading */

static void what_was_written_is_read(void **state) {
    const place *p = *state;
    static const size_t sizes[] = {0, 1, 4095, 65536, 65537, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = mem_array(sizes[i], 1);
        assert_non_null(data);
        for (size_t at = 0; at < sizes[i]; at++) {
            data[at] = (uint8_t)(at * 31 >> 3);
        }
        diffcut_diagnostics diag;
        assert_ok(diffcut_write_file(p->path, data, sizes[i], true, &diag), diag);
        assert_content(p->path, data, sizes[i]);
        mem_free(data);
    }
    assert_int_equal(files_in(p->folder, false), 1);
}

static void what_cannot_be_read_is_named_with_the_reason(void **state) {
    const place *p = *state;
    diffcut_buffer out = {.size = 7};
    diffcut_diagnostics diag;
    assert_fails(diffcut_read_file(p->path, 0, &out, &diag), diag, DIFFCUT_ERROR_IO,
                 "a.png: cannot open: No such file or directory");
    assert_fails(diffcut_read_file(p->folder, 0, &out, &diag), diag, DIFFCUT_ERROR_IO, "cannot read: Is a directory");
    assert_fails(diffcut_read_file("", 0, &out, &diag), diag, DIFFCUT_ERROR_IO, "No such file or directory");
    assert_fails(diffcut_read_file(NULL, 0, &out, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_fails(diffcut_read_file(p->path, 0, NULL, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_int_equal(out.size, 7);
    assert_int_equal(diffcut_read_file(p->path, 0, &out, NULL), DIFFCUT_ERROR_IO);
}

static diffcut_status read_body(const place *p, diffcut_diagnostics *diag) {
    diffcut_buffer out;
    return diffcut_read_file(p->path, 0, &out, diag);
}

static void an_unreadable_file_is_refused(void **state) {
    const place *p = *state;
    diffcut_diagnostics diag;
    assert_ok(diffcut_write_file(p->path, "x", 1, true, &diag), diag);
    assert_int_equal(chmod(p->path, 0), 0);
    int status = as_a_plain_user(read_body, p, &diag);
    assert_fails((diffcut_status)status, diag, DIFFCUT_ERROR_IO, "a.png: cannot open: Permission denied");
}

static void a_file_over_the_limit_is_refused(void **state) {
    const place *p = *state;
    diffcut_buffer out;
    diffcut_diagnostics diag;
    assert_ok(diffcut_write_file(p->path, "0123456789", 10, true, &diag), diag);
    assert_ok(diffcut_read_file(p->path, 10, &out, &diag), diag);
    diffcut_buffer_free(&out);
    assert_fails(diffcut_read_file(p->path, 9, &out, &diag), diag, DIFFCUT_ERROR_LIMIT,
                 "a.png: 10 bytes, over the limit of 9 bytes");
    assert_fails(diffcut_read_file("/dev/zero", 100000, &out, &diag), diag, DIFFCUT_ERROR_LIMIT,
                 "/dev/zero: larger than the limit of 100000 bytes");
}

static void a_pipe_is_read_to_its_end(void **state) {
    (void)state;
    enum { SIZE = 300000 };
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(channel[0]);
        for (int i = 0; i < SIZE; i++) {
            if (write(channel[1], "abcdefg" + i % 7, 1) != 1) {
                _exit(1);
            }
        }
        _exit(0);
    }
    (void)close(channel[1]);
    char path[64];
    (void)snprintf(path, sizeof path, "/dev/fd/%d", channel[0]);
    diffcut_buffer out;
    diffcut_diagnostics diag;
    assert_ok(diffcut_read_file(path, 0, &out, &diag), diag);
    assert_int_equal(out.size, SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        assert_int_equal(out.data[i], "abcdefg"[i % 7]);
    }
    diffcut_buffer_free(&out);
    (void)close(channel[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ------------------------------------------------------------------------------------------------- writing */

static void an_existing_file_is_kept_unless_replacing_is_asked_for(void **state) {
    const place *p = *state;
    diffcut_diagnostics diag;
    assert_ok(diffcut_write_file(p->path, "old", 3, false, &diag), diag);
    assert_fails(diffcut_write_file(p->path, "new", 3, false, &diag), diag, DIFFCUT_ERROR_EXISTS,
                 "a.png: exists already");
    assert_content(p->path, "old", 3);
    assert_ok(diffcut_write_file(p->path, "newer", 5, true, &diag), diag);
    assert_content(p->path, "newer", 5);
    assert_int_equal(files_in(p->folder, false), 1);
}

static void where_nothing_can_be_written_is_named(void **state) {
    const place *p = *state;
    char path[256];
    diffcut_diagnostics diag;
    (void)snprintf(path, sizeof path, "%s/no/such/folder.png", p->folder);
    assert_fails(diffcut_write_file(path, "x", 1, true, &diag), diag, DIFFCUT_ERROR_IO,
                 "no/such/folder.png: cannot write: No such file or directory");
    assert_fails(diffcut_write_file(p->folder, "x", 1, true, &diag), diag, DIFFCUT_ERROR_IO, "Is a directory");
    (void)snprintf(path, sizeof path, "%s/new/", p->folder);
    assert_fails(diffcut_write_file(path, "x", 1, true, &diag), diag, DIFFCUT_ERROR_IO, "Is a directory");
    assert_fails(diffcut_write_file("", "x", 1, true, &diag), diag, DIFFCUT_ERROR_IO, "No such file");
    assert_fails(diffcut_write_file(NULL, "x", 1, true, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_fails(diffcut_write_file(p->path, NULL, 1, true, &diag), diag, DIFFCUT_ERROR_ARGUMENT, "NULL");
    assert_ok(diffcut_write_file(p->path, "x", 1, true, &diag), diag);
    (void)snprintf(path, sizeof path, "%s/under.png", p->path);
    assert_fails(diffcut_write_file(path, "x", 1, true, &diag), diag, DIFFCUT_ERROR_IO, "Not a directory");
    assert_int_equal(files_in(p->folder, false), 1);
}

static diffcut_status write_body(const place *p, diffcut_diagnostics *diag) {
    return diffcut_write_file(p->path, "x", 1, true, diag);
}

static void an_unwritable_folder_is_refused(void **state) {
    const place *p = *state;
    assert_int_equal(chmod(p->folder, 0555), 0);
    diffcut_diagnostics diag;
    int status = as_a_plain_user(write_body, p, &diag);
    assert_int_equal(chmod(p->folder, 0777), 0);
    assert_fails((diffcut_status)status, diag, DIFFCUT_ERROR_IO, "a.png: cannot write: Permission denied");
    assert_int_equal(files_in(p->folder, false), 0);
}

/* A limit on the size of files fails as a full disk does: in the middle of a write. */
static diffcut_status write_over_the_file_size_limit(const place *p, diffcut_diagnostics *diag) {
    struct rlimit limit = {.rlim_cur = 10000, .rlim_max = 10000};
    static uint8_t data[50000];
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR) {
        return DIFFCUT_OK;
    }
    return diffcut_write_file(p->path, data, sizeof data, true, diag);
}

static void a_write_that_fails_in_the_middle_keeps_the_old_file_and_leaves_nothing(void **state) {
    const place *p = *state;
    diffcut_diagnostics diag;
    assert_ok(diffcut_write_file(p->path, "old", 3, true, &diag), diag);
    int status = as_a_plain_user(write_over_the_file_size_limit, p, &diag);
    assert_fails((diffcut_status)status, diag, DIFFCUT_ERROR_IO, "a.png: cannot write: File too large");
    assert_content(p->path, "old", 3);
    assert_int_equal(files_in(p->folder, false), 1);
}

static void a_full_device_is_reported(void **state) {
    (void)state;
    diffcut_diagnostics diag;
    assert_fails(diffcut_write_file("/dev/full", "x", 1, true, &diag), diag, DIFFCUT_ERROR_IO,
                 "/dev/full: cannot write: No space left on device");
}

static void devices_and_pipes_are_written_to_and_not_replaced(void **state) {
    const place *p = *state;
    diffcut_diagnostics diag;
    assert_ok(diffcut_write_file("/dev/null", "x", 1, false, &diag), diag);
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_int_equal(mkfifo(p->path, 0600), 0);
    int reader = open(p->path, O_RDONLY | O_NONBLOCK);
    assert_ok(diffcut_write_file(p->path, "through", 7, true, &diag), diag);
    char got[8] = {0};
    assert_int_equal(read(reader, got, sizeof got), 7);
    assert_string_equal(got, "through");
    (void)close(reader);
}

static void a_link_stays_a_link_and_its_target_is_replaced(void **state) {
    const place *p = *state;
    char link_path[128];
    (void)snprintf(link_path, sizeof link_path, "%s/link.png", p->folder);
    diffcut_diagnostics diag;
    assert_ok(diffcut_write_file(p->path, "old", 3, true, &diag), diag);
    assert_int_equal(symlink("a.png", link_path), 0);
    assert_ok(diffcut_write_file(link_path, "new", 3, true, &diag), diag);
    struct stat info;
    assert_int_equal(lstat(link_path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_content(p->path, "new", 3);
    assert_int_equal(files_in(p->folder, false), 2);
}

static void a_new_file_has_the_umasks_mode(void **state) {
    const place *p = *state;
    mode_t old = umask(027);
    diffcut_diagnostics diag;
    diffcut_status status = diffcut_write_file(p->path, "x", 1, true, &diag);
    (void)umask(old);
    assert_ok(status, diag);
    struct stat info;
    assert_int_equal(stat(p->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

static void of_many_processes_that_write_one_name_one_wins(void **state) {
    const place *p = *state;
    enum { WRITERS = 8, SIZE = 200000 };
    for (int i = 0; i < WRITERS; i++) {
        if (fork() == 0) {
            char *data = malloc(SIZE);
            if (data == NULL) {
                _exit(99);
            }
            memset(data, 'a' + i, SIZE);
            diffcut_status status = diffcut_write_file(p->path, data, SIZE, false, NULL);
            free(data);
            _exit((int)status);
        }
    }
    int winners = 0;
    for (int i = 0; i < WRITERS; i++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == DIFFCUT_OK || WEXITSTATUS(status) == DIFFCUT_ERROR_EXISTS);
        winners += WEXITSTATUS(status) == DIFFCUT_OK;
    }
    assert_int_equal(winners, 1);
    assert_int_equal(files_in(p->folder, false), 1);
    diffcut_buffer got;
    diffcut_diagnostics diag;
    assert_ok(diffcut_read_file(p->path, 0, &got, &diag), diag);
    assert_int_equal(got.size, SIZE);
    for (size_t i = 1; i < SIZE; i++) {
        assert_int_equal(got.data[i], got.data[0]);
    }
    diffcut_buffer_free(&got);
}

static void a_failed_allocation_leaves_nothing(void **state) {
    const place *p = *state;
    diffcut_diagnostics diag;
    mem_fail_after(0);
    diffcut_status status = diffcut_write_file(p->path, "x", 1, true, &diag);
    mem_fail_after(-1);
    assert_fails(status, diag, DIFFCUT_ERROR_MEMORY, "a.png");
    assert_int_equal(files_in(p->folder, false), 0);
    assert_ok(diffcut_write_file(p->path, "x", 1, true, &diag), diag);
    diffcut_buffer out;
    mem_fail_after(0);
    status = diffcut_read_file(p->path, 0, &out, &diag);
    mem_fail_after(-1);
    assert_fails(status, diag, DIFFCUT_ERROR_MEMORY, "a.png");
    mem_fail_after(1); /* the first growth of a pipe's block */
    status = diffcut_read_file("/dev/zero", 1000000, &out, &diag);
    mem_fail_after(-1);
    assert_fails(status, diag, DIFFCUT_ERROR_MEMORY, "/dev/zero");
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(what_was_written_is_read),
        IN_A_FOLDER(what_cannot_be_read_is_named_with_the_reason),
        IN_A_FOLDER(an_unreadable_file_is_refused),
        IN_A_FOLDER(a_file_over_the_limit_is_refused),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        IN_A_FOLDER(an_existing_file_is_kept_unless_replacing_is_asked_for),
        IN_A_FOLDER(where_nothing_can_be_written_is_named),
        IN_A_FOLDER(an_unwritable_folder_is_refused),
        IN_A_FOLDER(a_write_that_fails_in_the_middle_keeps_the_old_file_and_leaves_nothing),
        cmocka_unit_test(a_full_device_is_reported),
        IN_A_FOLDER(devices_and_pipes_are_written_to_and_not_replaced),
        IN_A_FOLDER(a_link_stays_a_link_and_its_target_is_replaced),
        IN_A_FOLDER(a_new_file_has_the_umasks_mode),
        IN_A_FOLDER(of_many_processes_that_write_one_name_one_wins),
        IN_A_FOLDER(a_failed_allocation_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
