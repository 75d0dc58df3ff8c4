// model_qat_int8.tflite with LiteRT on Android. NOT COMPILED by us: no Android SDK here.
//
// Gradle: implementation("com.google.ai.edge.litert:litert:2.+"); letterbox_jni.c in the app's
// native library; model_qat_int8.tflite, labels.txt, model_metadata.json and
// threshold_recommendation.json in assets/. Load once, then call `classify` for each photo, on one
// thread at a time.
package com.example.classifier

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.nio.ByteBuffer
import kotlin.math.exp
import kotlin.math.round
import org.json.JSONObject

object Letterbox {
    init { System.loadLibrary("letterbox") }

    external fun square(rgb: ByteArray, height: Int, width: Int, target: Int): ByteArray?

    /**
     * Decode with BitmapFactory and these: else transparent pixels lose their colours. Photos of
     * cameras have none; what has some can then no longer be drawn or turned with a Canvas.
     */
    fun asStored() = BitmapFactory.Options().apply {
        inPremultiplied = false
        inPreferredConfig = Bitmap.Config.ARGB_8888
    }

    /** The upright photo, letterboxed: target * target * 3 bytes. */
    fun of(photo: Bitmap, target: Int): ByteArray {
        require(photo.config == Bitmap.Config.ARGB_8888) { "needs ARGB_8888; got ${photo.config}" }
        require(!photo.hasAlpha() || !photo.isPremultiplied) { "decode with asStored()" }
        // Not getPixels, which converts a Display P3 photo to sRGB; training did not.
        val rgba = ByteArray(photo.rowBytes * photo.height)
        photo.copyPixelsToBuffer(ByteBuffer.wrap(rgba))
        val rgb = ByteArray(photo.width * photo.height * 3)
        for (y in 0 until photo.height) for (x in 0 until photo.width) {
            val from = y * photo.rowBytes + 4 * x  // red, green, blue, alpha
            rgba.copyInto(rgb, 3 * (y * photo.width + x), from, from + 3)
        }
        return checkNotNull(square(rgb, photo.height, photo.width, target)) { "letterbox failed" }
    }
}

class Classifier(context: Context) : AutoCloseable {
    private val text = { name: String ->
        context.assets.open(name).bufferedReader(Charsets.UTF_8).use { it.readText() }
    }
    private val meta = JSONObject(text("model_metadata.json"))
    private val input = meta.getJSONObject("input")
    private val output = meta.getJSONObject("output").getJSONObject("quantization")
    private val labels = text("labels.txt").removeSuffix("\n").split("\n")
    private val threshold =
        JSONObject(text("threshold_recommendation.json")).getDouble("recommended_threshold")
    private val model = CompiledModel.create(
        context.assets, meta.getString("model_file"), CompiledModel.Options(Accelerator.CPU))
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    /** What each of the 256 bytes is in the input. */
    private val quantised = ByteArray(256) { byte ->
        val isSigned = input.getString("dtype") == "int8"
        val numbers = input.getJSONObject("quantization")
        val value = round(byte / numbers.getDouble("scale")).toInt() + numbers.getInt("zero_point")
        val least = if (isSigned) -128 else 0
        value.coerceIn(least, least + 255).toByte()
    }

    /** The name, or null for "unknown", and the confidence in 0..1. The photo must be upright. */
    fun classify(photo: Bitmap): Pair<String?, Double> {
        val square = Letterbox.of(photo, input.getInt("width"))
        inputs[0].writeInt8(ByteArray(square.size) { quantised[square[it].toInt() and 255] })
        model.run(inputs, outputs)
        val scores = outputs[0].readInt8().map {
            (it - output.getInt("zero_point")) * output.getDouble("scale")
        }
        val largest = scores.max()
        val confidence = 1.0 / scores.sumOf { exp(it - largest) }
        val name = labels[scores.indexOf(largest)]
        return Pair(if (confidence >= threshold) name else null, confidence)
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}
