// model_tasks.tflite with MediaPipe Tasks on Android. NOT COMPILED by us: no Android SDK here.
//
// Gradle: implementation("com.google.mediapipe:tasks-vision:latest.release"); Letterbox from
// Classify.kt with letterbox_jni.c; model_tasks.tflite in assets/, with names and threshold inside.
package com.example.classifier

import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier

/** sidePx: `input.width` of model_metadata.json. */
class TasksClassifier(context: Context, private val sidePx: Int) : AutoCloseable {
    private val classifier = ImageClassifier.createFromOptions(
        context,
        ImageClassifier.ImageClassifierOptions.builder()
            .setBaseOptions(BaseOptions.builder().setModelAssetPath("model_tasks.tflite").build())
            .setMaxResults(1)
            .build())

    /** The name and its confidence in 0..1, or null for "unknown". The photo must be upright. */
    fun classify(photo: Bitmap): Pair<String, Float>? {
        // MediaPipe stretches; a square of the model's own size leaves it nothing to resize.
        val square = Letterbox.of(photo, sidePx)
        val colours = IntArray(sidePx * sidePx) { i ->
            val (red, green, blue) = List(3) { square[3 * i + it].toInt() and 255 }
            (255 shl 24) or (red shl 16) or (green shl 8) or blue
        }
        val bitmap = Bitmap.createBitmap(colours, sidePx, sidePx, Bitmap.Config.ARGB_8888)
        return BitmapImageBuilder(bitmap).build().use { image ->
            val found = classifier.classify(image).classificationResult().classifications()
            found[0].categories().firstOrNull()?.let { Pair(it.categoryName(), it.score()) }
        }
    }

    override fun close() = classifier.close()
}
