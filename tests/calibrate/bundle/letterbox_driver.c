/* Letterboxes the photos on standard input, for runs under sanitizers and valgrind.
 *
 * A case: height, width, target and n_rows as int32, row_bytes as uint64, then n_rows rows of
 * 3 * width bytes; n_rows is 0 where the case is to be refused. The photo gets a block of memory
 * that ends with its last pixel, and what lies between its rows is never written. The answer: the
 * returned code as int32, then out (one byte for a refused case), which held 0x5a before. */
#include <stdio.h>

#include "letterbox.h"

typedef struct {
    int32_t height, width, target, n_rows;
    uint64_t row_bytes;
} header;

static void fail(const char *what) {
    fprintf(stderr, "letterbox_driver: %s\n", what);
    exit(1);
}

static uint8_t *read_photo(const header *one) {
    const size_t used = 3 * (size_t)one->width, row_bytes = (size_t)one->row_bytes;
    if (one->n_rows == 0) return (uint8_t *)calloc(1, 1);
    uint8_t *rgb = (uint8_t *)malloc((size_t)(one->n_rows - 1) * row_bytes + used);
    if (rgb == NULL) fail("no memory for the photo");
    for (size_t y = 0; y < (size_t)one->n_rows; y++)
        if (fread(rgb + y * row_bytes, 1, used, stdin) != used) fail("the photo is cut short");
    return rgb;
}

int main(void) {
    header one;
    while (fread(&one, sizeof one, 1, stdin) == 1) {
        const size_t side = one.n_rows == 0 ? 0 : (size_t)one.target;
        const size_t n = one.n_rows == 0 ? 1 : side * side * 3;
        uint8_t *rgb = read_photo(&one), *out = (uint8_t *)malloc(n);
        if (rgb == NULL || out == NULL) fail("no memory");
        memset(out, 0x5a, n);
        const int32_t code = edgedistill_letterbox(
            rgb, one.height, one.width, (size_t)one.row_bytes, one.target, out);
        if (fwrite(&code, sizeof code, 1, stdout) != 1 || fwrite(out, 1, n, stdout) != n)
            fail("the answer cannot be written");
        free(out);
        free(rgb);
    }
    return 0;
}
