/* letterbox.h: from an upright RGB photo to the square of pixels that the model was trained on.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The reference in C99 (C++11 and later too); it gives bit for bit what training did with Pillow's
 * BILINEAR. The photo keeps its aspect ratio, is resized across, then down, with bytes in between,
 * and is centred on black. Turn it upright first (EXIF orientation). No state, any thread:
 *
 *     uint8_t square[240 * 240 * 3];
 *     int error = edgedistill_letterbox(rgb, height, width, (size_t)width * 3, 240, square);
 * A model with int8 input (scale 1, zero point -128) takes (int8_t)(square[i] - 128).
 * -O3, -march=native and -ffp-contract=fast change no pixel; -ffast-math would and is refused. */
#ifndef EDGEDISTILL_LETTERBOX_H
#define EDGEDISTILL_LETTERBOX_H

#include <float.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__FAST_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__ASSOCIATIVE_MATH__) || \
    defined(_M_FP_FAST)
#error "letterbox.h: compile without -ffast-math (MSVC: /fp:fast); it changes weights and pixels"
#endif
#if FLT_EVAL_METHOD == 2 || FLT_EVAL_METHOD == -1
#error "letterbox.h: double must be computed as double; on 32-bit x86 add -msse2 -mfpmath=sse"
#endif

enum {
    EDGEDISTILL_OK = 0,
    EDGEDISTILL_NULL_POINTER = 1,  /* rgb or out is NULL */
    EDGEDISTILL_BAD_SIZE = 2,      /* side below 1, target too large, row_bytes that cannot be */
    EDGEDISTILL_OUT_OF_MEMORY = 3, /* calloc returned NULL */
    EDGEDISTILL_MAX_TARGET = 8192
};

/* One direction of the resize. New pixel i is a weighted sum of old ones that lie side by side:
 * windows + i * stride holds the index of the first, their number, and a weight for each, where
 * 2**22 means 1. Rounding doubles a weight at most, and 255 * 2**23 + 2**21 is an int32_t. */
typedef struct {
    int32_t *windows;
    size_t stride;
    int new_side;
} edgedistill_axis;

/* A product by way of memory: no compiler can fuse it with the sum that follows (FMA). */
static inline double edgedistill_product(double a, double b) {
    volatile double product = a * b;
    return product;
}

/* Height of the triangle filter at an old pixel: 1 at the centre, 0 from half_width on. */
static inline double edgedistill_triangle(int32_t pixel, double centre, double half_width) {
    const double x = edgedistill_product(pixel - centre + 0.5, 1.0 / half_width);
    return x <= -1.0 || x >= 1.0 ? 0.0 : x < 0.0 ? 1.0 + x : 1.0 - x;
}

/* The windows that bring old_side to its new length; NULL when memory does not suffice. */
static inline edgedistill_axis edgedistill_make_axis(int old_side, int longest, int target) {
    /* The longest side becomes target, the other is rounded half up, and none is below 1. */
    const int64_t scaled = (2 * (int64_t)old_side * target + longest) / (2 * (int64_t)longest);
    const int new_side = scaled < 1 ? 1 : (int)scaled;
    /* Pillow hands the old side over in single precision: the same number up to 2**24. */
    const double scale = (double)(float)old_side / new_side;
    const double half_width = scale < 1.0 ? 1.0 : scale; /* the more it shrinks, the wider */
    edgedistill_axis axis = {NULL, 2 * (size_t)half_width + 5, new_side};
    axis.windows = (int32_t *)calloc((size_t)new_side * axis.stride, sizeof(int32_t));
    for (int i = 0; i < new_side && axis.windows != NULL; i++) {
        int32_t *const window = axis.windows + (size_t)i * axis.stride;
        const double centre = edgedistill_product(i + 0.5, scale);
        const double left = centre - half_width + 0.5, right = centre + half_width + 0.5;
        const int32_t first = left < 0.0 ? 0 : (int32_t)left;
        const int32_t stop = right > old_side ? old_side : (int32_t)right;
        double total = 0.0;
        for (int32_t k = first; k < stop; k++) total += edgedistill_triangle(k, centre, half_width);
        for (int32_t k = first; k < stop; k++) {
            const double weight = edgedistill_triangle(k, centre, half_width) / total;
            window[2 + (k - first)] = (int32_t)(weight * (1 << 22) + 0.5);
        }
        window[0] = first;
        window[1] = stop - first;
    }
    return axis;
}

/* The level that a weighted sum stands for, rounded half up. */
static inline uint8_t edgedistill_byte(int32_t sum) {
    const int32_t level = (sum + (1 << 21)) >> 22;
    return (uint8_t)(level > 255 ? 255 : level);
}

/* A row of the photo, brought to the new width. */
static inline void edgedistill_across(const uint8_t *row, edgedistill_axis axis, uint8_t *line) {
    for (int i = 0; i < axis.new_side; i++, line += 3) {
        const int32_t *const window = axis.windows + (size_t)i * axis.stride;
        const uint8_t *pixel = row + (size_t)window[0] * 3;
        int32_t red = 0, green = 0, blue = 0;
        for (int32_t k = 0; k < window[1]; k++, pixel += 3) {
            red += window[2 + k] * pixel[0];
            green += window[2 + k] * pixel[1];
            blue += window[2 + k] * pixel[2];
        }
        line[0] = edgedistill_byte(red);
        line[1] = edgedistill_byte(green);
        line[2] = edgedistill_byte(blue);
    }
}

/* A new row of n bytes from the lines in its window, which lie one behind the other. */
static inline void edgedistill_down(
    const uint8_t *lines, const int32_t *window, size_t n, int32_t *sum, uint8_t *row) {
    const uint8_t *line = lines + (size_t)window[0] * n;
    memset(sum, 0, n * sizeof(int32_t));
    for (int32_t k = 0; k < window[1]; k++, line += n)
        for (size_t c = 0; c < n; c++) sum[c] += window[2 + k] * line[c];
    for (size_t c = 0; c < n; c++) row[c] = edgedistill_byte(sum[c]);
}

/* rgb: height rows of width pixels (red, green, blue), each row_bytes after the one before; what
 * lies behind a row's pixels is not read. out: target rows of target pixels, apart from rgb; left
 * as it was on an error. Holds the photo at its new width in memory while it works. */
static inline int edgedistill_letterbox(
    const uint8_t *rgb, int height, int width, size_t row_bytes, int target, uint8_t *out) {
    if (rgb == NULL || out == NULL) return EDGEDISTILL_NULL_POINTER;
    if (height < 1 || width < 1 || target < 1 || target > EDGEDISTILL_MAX_TARGET ||
        row_bytes / 3 < (size_t)width || (size_t)height > SIZE_MAX / 2 / row_bytes)
        return EDGEDISTILL_BAD_SIZE;
    const int longest = height > width ? height : width;
    const edgedistill_axis across = edgedistill_make_axis(width, longest, target);
    const edgedistill_axis down = edgedistill_make_axis(height, longest, target);
    const size_t n = (size_t)across.new_side * 3, out_row = (size_t)target * 3;
    uint8_t *lines = (uint8_t *)calloc((size_t)height, n);
    int32_t *sum = (int32_t *)calloc(n, sizeof(int32_t));
    const int ready = across.windows && down.windows && lines && sum;
    if (ready) {
        uint8_t *row = out + (size_t)(target - down.new_side) / 2 * out_row +
                       (size_t)(target - across.new_side) / 2 * 3;
        memset(out, 0, out_row * (size_t)target);
        for (int y = 0; y < height; y++)
            edgedistill_across(rgb + (size_t)y * row_bytes, across, lines + (size_t)y * n);
        for (int i = 0; i < down.new_side; i++, row += out_row)
            edgedistill_down(lines, down.windows + (size_t)i * down.stride, n, sum, row);
    }
    free(sum);
    free(lines);
    free(down.windows);
    free(across.windows);
    return ready ? EDGEDISTILL_OK : EDGEDISTILL_OUT_OF_MEMORY;
}

#endif
