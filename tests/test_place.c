/* test_place.c - claims about the names that reports give to code addresses.
 *
 * With the argument "where" or "gone" the program only prints a place of its
 * own, from another directory or with its file removed.
 */
#define _GNU_SOURCE
#include "kit/kit.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sys.h"
#include "inspect/place.h"

/* Three functions of 16 bytes; between the first two is a gap, in the last one
 * are some data. */
__asm__(".pushsection .text\n"
        "    .type place_first, %function\n"
        "place_first:\n"
        "    .zero 16\n"
        "    .size place_first, 16\n"
        "    .zero 16\n"
        "    .type place_second, %function\n"
        "place_second:\n"
        "    .zero 16\n"
        "    .size place_second, 16\n"
        "    .type place_third, %function\n"
        "place_third:\n"
        "    .zero 8\n"
        "    .type place_data, %object\n"
        "place_data:\n"
        "    .zero 8\n"
        "    .size place_data, 8\n"
        "    .size place_third, 16\n"
        ".popsection\n");
extern const char place_first[] __attribute__((visibility("hidden")));
extern const char place_second[] __attribute__((visibility("hidden")));

static const char *place(const void *pc)
{
    static char text[256];

    roost__place_of(pc, text, sizeof text);
    return text;
}

/* What must be said where no name is known. */
static const char *offset(const void *pc)
{
    static char text[256];
    Dl_info o;

    assert_true(dladdr(pc, &o));
    snprintf(text, sizeof text, "%s+0x%zx", program_invocation_short_name,
             (size_t)((const char *)pc - (const char *)o.dli_fbase));
    return text;
}

/* ---- names ---- */

static void a_static_function_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(place(place_first), "place_first+0x0");
    assert_string_equal(place(place_first + 15), "place_first+0xf");
    assert_string_equal(place(place_second + 3), "place_second+0x3");
}

static void data_among_code_belong_to_the_function(void **state)
{
    (void)state;
    assert_string_equal(place(place_second + 25), "place_third+0x9");
}

static void an_address_between_functions_is_an_offset(void **state)
{
    (void)state;
    assert_string_equal(place(place_first + 17), offset(place_first + 17));
}

static void a_return_address_at_the_end_belongs_to_the_caller(void **state)
{
    (void)state;
    assert_string_equal(place(place_first + 16), "place_first+0x10");
    assert_string_equal(place(place_second + 16), "place_third+0x0");
}

static void an_exported_function_of_a_library_has_its_name(void **state)
{
    const char *code = (const char *)(uintptr_t)getenv;

    (void)state;
    assert_string_equal(place(code + 2), "getenv+0x2");
}

static void what_is_no_code_is_a_number(void **state)
{
    char *block = malloc(1), text[32];

    (void)state;
    assert_string_equal(place((const void *)(uintptr_t)0x1234), "0x1234");
    snprintf(text, sizeof text, "%p", (void *)block);
    assert_string_equal(place(block), text);
    free(block);
}

static void a_small_buffer_cuts_the_name(void **state)
{
    char text[8] = "........";

    (void)state;
    roost__place_of(place_first, text, 6);
    assert_memory_equal(text, "place\0.", 7);
    roost__place_of((const void *)(uintptr_t)0x1234, text, 1);
    assert_string_equal(text, "");
}

static int waiter(void *arg)
{
    int r = roost_sleep(ROOST_SEC(1));

    *(int *)arg += 1;   /* not a tail call */
    return r;
}

static int look_at_a_waiter(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, waiter, arg);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_HAS(kit_tree(), " in waiter+0x");
    return roost_nursery_close(n, 0);
}

static void the_tree_names_a_static_function_that_waits(void **state)
{
    int waits = 0;

    (void)state;
    assert_int_equal(kit_run(look_at_a_waiter, &waits), 0);
    assert_int_equal(waits, 1);
}

/* ---- the file, as it could be ---- */

/* The program's file in a block of exactly its size: what is read outside of it
 * is seen by AddressSanitizer and valgrind. */
static unsigned char *image;
static size_t image_bytes;

static const char *instead;     /* the path that is opened */
static bool refuse_open, refuse_fstat, refuse_mmap;
static int opened, mapped;

static int fake_open(const char *path, int flags)
{
    int fd;

    errno = ENOENT;
    fd = refuse_open ? -1 : open(instead ? instead : path, flags);
    opened += fd >= 0;
    return fd;
}

static int fake_close(int fd)
{
    opened--;
    return close(fd);
}

static int fake_fstat(int fd, struct stat *ret)
{
    int r = fstat(fd, ret);

    return refuse_fstat ? -1 : r;
}

static void *fake_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                       off_t from)
{
    void *p = image;

    assert_int_equal(prot, PROT_READ);
    if (refuse_mmap)
        return MAP_FAILED;
    if (instead)
        p = mmap(at, bytes, prot, flags, fd, from);
    else
        assert_int_equal(bytes, image_bytes);
    mapped++;
    return p;
}

static int fake_munmap(void *at, size_t bytes)
{
    mapped--;
    return at == image ? 0 : munmap(at, bytes);
}

static struct roost_sys fakes;

static int image_read(void **state)
{
    FILE *f = fopen("/proc/self/exe", "re");
    struct stat st;

    (void)state;
    if (!f || fstat(fileno(f), &st) != 0)
        return -1;
    image_bytes = (size_t)st.st_size;
    image = malloc(image_bytes);
    if (!image || fread(image, 1, image_bytes, f) != image_bytes)
        return -1;
    fclose(f);
    fakes = roost__sys_default;
    fakes.open = fake_open;
    fakes.close = fake_close;
    fakes.fstat = fake_fstat;
    fakes.mmap = fake_mmap;
    fakes.munmap = fake_munmap;
    instead = NULL;
    refuse_open = refuse_fstat = refuse_mmap = false;
    roost__sys = &fakes;
    return 0;
}

static int image_drop(void **state)
{
    (void)state;
    roost__sys = &roost__sys_default;
    free(image);
    return opened != 0 || mapped != 0;
}

static ElfW(Ehdr) *head(void)
{
    return (ElfW(Ehdr) *)(void *)image;
}

static ElfW(Shdr) *section(unsigned type)
{
    ElfW(Shdr) *s = (ElfW(Shdr) *)(void *)(image + head()->e_shoff);

    for (size_t i = 0; i < head()->e_shnum; i++)
        if (s[i].sh_type == type)
            return &s[i];
    return NULL;
}

/* The program's place now, as offset: no name could be found. */
static void expect_no_name(void)
{
    assert_string_equal(place(place_first + 1), offset(place_first + 1));
}

static void without_symbols_it_is_an_offset(void **state)
{
    (void)state;
    assert_string_equal(place(place_first + 1), "place_first+0x1");
    section(SHT_SYMTAB)->sh_type = SHT_NULL;
    expect_no_name();
}

static void without_a_file_it_is_an_offset(void **state)
{
    (void)state;
    refuse_open = true;
    expect_no_name();
    refuse_open = false, refuse_fstat = true;
    expect_no_name();
    refuse_fstat = false, refuse_mmap = true;
    expect_no_name();
    refuse_mmap = false, instead = "/dev/null";
    expect_no_name();
    instead = "/proc/self";
    expect_no_name();
}

static void the_file_of_another_program_is_not_believed(void **state)
{
    (void)state;
    instead = "/bin/sh";
    expect_no_name();
    instead = NULL;
    head()->e_entry ^= 16;
    expect_no_name();
}

static void tables_outside_the_file_are_not_read(void **state)
{
    ElfW(Shdr) *symbols = section(SHT_SYMTAB), keep = *symbols;

    (void)state;
    symbols->sh_offset = image_bytes;
    expect_no_name();
    symbols->sh_offset = (ElfW(Off))-8;
    expect_no_name();
    *symbols = keep;
    symbols->sh_size = image_bytes;
    expect_no_name();
    *symbols = keep;
    symbols->sh_offset += 1;    /* not aligned */
    expect_no_name();
    *symbols = keep;
    symbols->sh_link = head()->e_shnum;
    expect_no_name();
    *symbols = keep;
    assert_string_equal(place(place_first + 1), "place_first+0x1");
}

static void names_that_do_not_end_are_not_read(void **state)
{
    ElfW(Shdr) *all = (ElfW(Shdr) *)(void *)(image + head()->e_shoff);
    ElfW(Shdr) *names = &all[section(SHT_SYMTAB)->sh_link];

    (void)state;
    image[names->sh_offset + names->sh_size - 1] = 'x';
    expect_no_name();
    names->sh_size = 0;
    expect_no_name();
    names->sh_size = 1;
    expect_no_name();
}

static unsigned long long dice = 12345;

static size_t draw(size_t below)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(dice >> 33) % below;
}

/* Bytes of the section headers, and now and then of the first symbols. */
static void damaged_files_are_survived(void **state)
{
    unsigned char *headers = image + head()->e_shoff;
    unsigned char *symbols = image + section(SHT_SYMTAB)->sh_offset;
    size_t header_bytes = head()->e_shnum * sizeof(ElfW(Shdr));
    char text[64];

    (void)state;
    for (int round = 0; round < 2000; round++) {
        unsigned char *at = round % 4 == 0 ? symbols + draw(1024)
                                           : headers + draw(header_bytes);
        unsigned char keep = *at;

        *at = round % 2 ? (unsigned char)draw(256) : 0xff;
        roost__place_of(place_first + draw(64), text, sizeof text);
        assert_non_null(strstr(text, "+0x"));
        *at = keep;
    }
    assert_string_equal(place(place_first + 1), "place_first+0x1");
}

/* ---- the program, run as others run it ---- */

static char dir[64];

/* Runs the line in the directory of the copy; its last line, without the end. */
static const char *run(const char *line, int *ret_status)
{
    static char text[256];
    char command[512];
    FILE *f;

    snprintf(command, sizeof command, "cd %s && { %s; } 2>/dev/null", dir, line);
    text[0] = '\0';
    f = popen(command, "re");
    assert_non_null(f);
    while (fgets(text, sizeof text, f))
        text[strcspn(text, "\n")] = '\0';
    *ret_status = pclose(f);
    return text;
}

static bool copy_runs(void)
{
    char line[128];
    int status = -1;

    snprintf(dir, sizeof dir, "/tmp/roost-place-XXXXXX");
    if (!mkdtemp(dir))
        return false;
    snprintf(line, sizeof line, "cat /proc/%d/exe >bare && chmod 700 bare && "
             "./bare nothing", (int)getpid());
    run(line, &status);
    return status == 0;
}

static int copy_remove(void **state)
{
    int status;

    (void)state;
    run("rm -f bare; rmdir ../${PWD##*/}", &status);
    return 0;
}

static void its_file_is_found_wherever_the_program_is(void **state)
{
    int status;

    (void)state;
    if (!copy_runs())
        skip();
    assert_string_equal(run("./bare where", &status), "place_first+0x1");
    assert_string_equal(run("PATH=. bare where", &status), "place_first+0x1");
    assert_string_equal(run("./bare gone", &status), "place_first+0x1");
}

static void a_stripped_program_is_named_with_an_offset(void **state)
{
    const char *text;
    int status;

    (void)state;
    if (!copy_runs())
        skip();
    run("strip bare", &status);
    if (status != 0) {
        print_message("no strip for this machine: skipped\n");
        skip();
    }
    text = run("./bare where", &status);
    assert_int_equal(status, 0);
    assert_int_equal(strncmp(text, "bare+0x", 7), 0);
    assert_true(strtoull(text + 7, NULL, 16) > 0);
}

static int print_place(const char *how, const char *self)
{
    if (strcmp(how, "gone") == 0 && unlink(self) != 0)
        return 1;
    if (strcmp(how, "where") == 0 && chdir("/") != 0)
        return 1;
    if (strcmp(how, "nothing") != 0)
        puts(place(place_first + 1));
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_function_has_its_name),
        cmocka_unit_test(data_among_code_belong_to_the_function),
        cmocka_unit_test(an_address_between_functions_is_an_offset),
        cmocka_unit_test(a_return_address_at_the_end_belongs_to_the_caller),
        cmocka_unit_test(an_exported_function_of_a_library_has_its_name),
        cmocka_unit_test(what_is_no_code_is_a_number),
        cmocka_unit_test(a_small_buffer_cuts_the_name),
        cmocka_unit_test(the_tree_names_a_static_function_that_waits),
        cmocka_unit_test_setup_teardown(without_symbols_it_is_an_offset,
                                        image_read, image_drop),
        cmocka_unit_test_setup_teardown(without_a_file_it_is_an_offset,
                                        image_read, image_drop),
        cmocka_unit_test_setup_teardown(
            the_file_of_another_program_is_not_believed, image_read,
            image_drop),
        cmocka_unit_test_setup_teardown(tables_outside_the_file_are_not_read,
                                        image_read, image_drop),
        cmocka_unit_test_setup_teardown(names_that_do_not_end_are_not_read,
                                        image_read, image_drop),
        cmocka_unit_test_setup_teardown(damaged_files_are_survived, image_read,
                                        image_drop),
        cmocka_unit_test_teardown(its_file_is_found_wherever_the_program_is,
                                  copy_remove),
        cmocka_unit_test_teardown(a_stripped_program_is_named_with_an_offset,
                                  copy_remove),
    };

    if (argc > 1)
        return print_place(argv[1], argv[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
