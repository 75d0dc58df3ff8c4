/* letterbox.h for Kotlin: build it into the app's native library, here "letterbox". We compiled it
 * against declarations of our own, for want of a JDK, and did not run it.
 *
 * Kotlin: package com.example.classifier; object Letterbox { external fun square(...) }; where your
 * package is another, the function's name must be too.
 */
#include <jni.h>

#include "letterbox.h"

/* rgb: height rows of width pixels (red, green, blue). Gives target * target * 3 bytes, or null. */
JNIEXPORT jbyteArray JNICALL Java_com_example_classifier_Letterbox_square(
    JNIEnv *env, jobject self, jbyteArray rgb, jint height, jint width, jint target) {
    (void)self;
    if (height < 1 || width < 1 || target < 1 || target > EDGEDISTILL_MAX_TARGET) return NULL;
    if ((jlong)(*env)->GetArrayLength(env, rgb) != (jlong)height * width * 3) return NULL;
    jbyteArray square = (*env)->NewByteArray(env, target * target * 3);
    if (square == NULL) return NULL;
    jbyte *from = (*env)->GetByteArrayElements(env, rgb, NULL);
    jbyte *to = (*env)->GetByteArrayElements(env, square, NULL);
    int error = EDGEDISTILL_OUT_OF_MEMORY;
    if (from != NULL && to != NULL)
        error = edgedistill_letterbox(
            (const uint8_t *)from, height, width, (size_t)width * 3, target, (uint8_t *)to);
    if (to != NULL) (*env)->ReleaseByteArrayElements(env, square, to, 0);
    if (from != NULL) (*env)->ReleaseByteArrayElements(env, rgb, from, JNI_ABORT);
    return error == EDGEDISTILL_OK ? square : NULL;
}
