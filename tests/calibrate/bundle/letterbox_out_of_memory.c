/* Prints what the header returns when its n-th allocation alone fails, for n = 1, 2 and so on
 * until none does. A line each: the code, the blocks not given back, the bytes of out changed. */
#include <stdio.h>
#include <stdlib.h>

static int n_asked, to_fail, n_held;

static void *limited_calloc(size_t n, size_t bytes) {
    if (++n_asked == to_fail) return NULL;
    n_held++;
    return calloc(n, bytes);
}

static void counted_free(void *block) {
    if (block != NULL) n_held--;
    free(block);
}

#define calloc limited_calloc
#define free counted_free
#include "letterbox.h"

int main(void) {
    const uint8_t rgb[2 * 3 * 3] = {255};
    uint8_t out[4 * 4 * 3];
    int code = EDGEDISTILL_OUT_OF_MEMORY;
    for (to_fail = 1; code == EDGEDISTILL_OUT_OF_MEMORY; to_fail++) {
        int changed = 0;
        n_asked = 0;
        memset(out, 0x5a, sizeof out);
        code = edgedistill_letterbox(rgb, 2, 3, 9, 4, out);
        for (size_t i = 0; i < sizeof out; i++) changed += out[i] != 0x5a;
        printf("%d %d %d\n", code, n_held, changed);
    }
    return 0;
}
