/* What snippets/letterbox_jni.c uses of the Java Native Interface, declared by ourselves. */
#ifndef JNI_DECLARATIONS_H
#define JNI_DECLARATIONS_H
#include <stdint.h>

#define JNIEXPORT
#define JNICALL
#define JNI_ABORT 2
typedef int32_t jint;
typedef int64_t jlong;
typedef int8_t jbyte;
typedef uint8_t jboolean;
typedef struct jobject_ *jobject;
typedef jobject jbyteArray;
typedef const struct JNIFunctions *JNIEnv;
struct JNIFunctions {
    jint (*GetArrayLength)(JNIEnv *, jobject);
    jbyteArray (*NewByteArray)(JNIEnv *, jint);
    jbyte *(*GetByteArrayElements)(JNIEnv *, jbyteArray, jboolean *);
    void (*ReleaseByteArrayElements)(JNIEnv *, jbyteArray, jbyte *, jint);
};
#endif
