/* A target without libFuzzer: runs its corpus, then as many changed inputs as asked for, the same ones every
 * time. fuzz_NAME CORPUS [COUNT] */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

#define FILES   512
#define MAX_LEN (64 * 1024)

typedef struct input {
    uint8_t *data;
    size_t len;
} input;

static input files[FILES];
static size_t nfiles;
static uint32_t rng = 2463534242u;

static uint32_t pick(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 17;
    rng ^= rng << 5;
    return rng % below;
}

static void load(const char *folder, const char *name)
{
    char path[1024];
    static uint8_t block[MAX_LEN];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = name[0] != '.' && nfiles < FILES ? fopen(path, "rb") : NULL;
    if (f == NULL)
        return;
    size_t len = fread(block, 1, sizeof block, f);
    fclose(f);
    files[nfiles] = (input){.data = malloc(len + 1), .len = len};
    memcpy(files[nfiles++].data, block, len);
}

static int by_content(const void *a, const void *b)
{
    const input *x = a, *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->data, y->data, x->len);
}

static void load_all(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        load(folder, entry->d_name);
    if (dir != NULL)
        closedir(dir);
    qsort(files, nfiles, sizeof *files, by_content); /* the file system's order is none */
}

/* In a block of exactly its size: one octet beyond it is seen. */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *block = malloc(len + !len);
    memcpy(block, data, len);
    LLVMFuzzerTestOneInput(block, len);
    free(block);
}

static size_t splice(uint8_t *out, size_t len)
{
    const input *other = &files[pick((uint32_t)nfiles)];
    size_t from = pick((uint32_t)other->len + 1), at = pick((uint32_t)len + 1), n = other->len - from;
    if (n > MAX_LEN - at)
        n = MAX_LEN - at;
    memcpy(out + at, other->data + from, n);
    return at + n;
}

static size_t insert(uint8_t *out, size_t len)
{
    size_t at = pick((uint32_t)len + 1), n = 1 + pick(8);
    if (len + n > MAX_LEN)
        return len;
    memmove(out + at + n, out + at, len - at);
    for (size_t i = 0; i < n; i++)
        out[at + i] = (uint8_t)pick(256);
    return len + n;
}

static size_t change(uint8_t *out, size_t len)
{
    static const uint8_t strange[] = {0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff};
    switch (len > 0 ? pick(6) : 3) {
    case 0:
        return splice(out, len);
    case 1:
        return pick((uint32_t)len + 1);
    case 2:
    case 3:
        return insert(out, len);
    case 4:
        out[pick((uint32_t)len)] ^= (uint8_t)(1u << pick(8));
        return len;
    default:
        out[pick((uint32_t)len)] = strange[pick(sizeof strange)];
        return len;
    }
}

static void run_changed(void)
{
    static uint8_t block[MAX_LEN + 8];
    const input *first = &files[pick((uint32_t)nfiles)];
    size_t len = first->len;
    memcpy(block, first->data, len);
    for (uint32_t n = 1 + pick(8); n > 0; n--)
        len = change(block, len);
    run(block, len);
}

int main(int argc, char **argv)
{
    long count = argc > 2 ? atol(argv[2]) : 0;
    if (argc > 1)
        load_all(argv[1]);
    if (nfiles == 0) {
        fprintf(stderr, "usage: %s CORPUS [COUNT]; no inputs found\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < nfiles; i++)
        run(files[i].data, files[i].len);
    for (long i = 0; i < count; i++)
        run_changed();
    printf("%zu inputs and %ld changed ones\n", nfiles, count);
    for (size_t i = 0; i < nfiles; i++)
        free(files[i].data);
    return 0;
}
