/* The header's functions under names that a shared object exports, for ctypes. */
#include "letterbox.h"

#ifdef __cplusplus
extern "C" {
#endif

int letterbox(
    const uint8_t *rgb, int height, int width, size_t row_bytes, int target, uint8_t *out);
size_t letterbox_windows(int old_side, int longest, int target, int32_t *numbers);

int letterbox(
    const uint8_t *rgb, int height, int width, size_t row_bytes, int target, uint8_t *out) {
    return edgedistill_letterbox(rgb, height, width, row_bytes, target, out);
}

/* First index, number and weights of each new pixel, one behind the other; how many there are. */
size_t letterbox_windows(int old_side, int longest, int target, int32_t *numbers) {
    const edgedistill_axis axis = edgedistill_make_axis(old_side, longest, target);
    size_t n = 0;
    for (int i = 0; i < axis.new_side && axis.windows != NULL; i++) {
        const int32_t *window = axis.windows + (size_t)i * axis.stride;
        for (int32_t k = 0; k < 2 + window[1]; k++) numbers[n++] = window[k];
    }
    free(axis.windows);
    return n;
}

#ifdef __cplusplus
}
#endif
