/* The header's function under a name that a shared object exports, for ctypes. */
#include "letterbox.h"

#ifdef __cplusplus
extern "C"
#endif
int letterbox(const uint8_t *rgb, int height, int width, size_t row_bytes, int target, uint8_t *out);

int letterbox(const uint8_t *rgb, int height, int width, size_t row_bytes, int target, uint8_t *out) {
    return edgedistill_letterbox(rgb, height, width, row_bytes, target, out);
}
