// model_tasks.tflite with TensorFlow Lite on iOS. NOT COMPILED by us: no Swift compiler here.
//
// CocoaPods: pod 'TensorFlowLiteSwift'. In the app: model_tasks.tflite, labels.txt,
// model_metadata.json, threshold_recommendation.json; letterbox.h named in the bridging header.
// The file takes the letterboxed bytes as they are when its input has scale 1 and zero point 0.
import CoreGraphics
import Foundation
import TensorFlowLite

enum ClassifierError: Error { case missing(String), notAPhoto, otherInput }

final class Classifier {
    private struct Quantization: Decodable { let scale: Double; let zero_point: Int }
    private struct End: Decodable { let dtype: String; let quantization: Quantization }
    private struct Tasks: Decodable { let model_file: String; let input: End; let output: End }
    private struct Input: Decodable { let width: Int }
    private struct Metadata: Decodable { let input: Input; let tasks_model: Tasks }
    private struct Threshold: Decodable { let recommended_threshold: Double }

    private let metadata: Metadata
    private let threshold: Double
    private let labels: [String]
    private let interpreter: Interpreter

    init(in bundle: Bundle = .main) throws {
        func file(_ name: String) throws -> URL {
            guard let url = bundle.url(forResource: name, withExtension: nil) else {
                throw ClassifierError.missing(name)
            }
            return url
        }
        let decoder = JSONDecoder()
        metadata = try decoder.decode(
            Metadata.self, from: Data(contentsOf: file("model_metadata.json")))
        threshold = try decoder.decode(
            Threshold.self, from: Data(contentsOf: file("threshold_recommendation.json"))
        ).recommended_threshold
        let text = try String(contentsOf: file("labels.txt"), encoding: .utf8)
        labels = Array(text.components(separatedBy: "\n").dropLast())
        let input = metadata.tasks_model.input
        guard input.dtype == "uint8", input.quantization.scale == 1,
            input.quantization.zero_point == 0
        else { throw ClassifierError.otherInput }
        interpreter = try Interpreter(modelPath: file(metadata.tasks_model.model_file).path)
        try interpreter.allocateTensors()
    }

    /// The name, or nil for "unknown", and the confidence in 0...1. The photo must be upright.
    func classify(_ photo: CGImage) throws -> (name: String?, confidence: Double) {
        let rgb = try Self.rgb(of: photo)
        let side = metadata.input.width
        var square = [UInt8](repeating: 0, count: side * side * 3)
        let error = edgedistill_letterbox(
            rgb, Int32(photo.height), Int32(photo.width), photo.width * 3, Int32(side), &square)
        guard error == 0 else { throw ClassifierError.notAPhoto }
        try interpreter.copy(Data(square), toInputAt: 0)
        try interpreter.invoke()
        let answers = try [UInt8](interpreter.output(at: 0).data)
        guard let largest = answers.max(), let best = answers.firstIndex(of: largest) else {
            throw ClassifierError.otherInput
        }
        let output = metadata.tasks_model.output.quantization
        let confidence = Double(Int(largest) - output.zero_point) * output.scale
        return (confidence >= threshold ? labels[best] : nil, confidence)
    }

    /// Red, green, blue of each pixel as the file stores them: in the photo's own colour space, for
    /// the model was trained without colour management, and drawing a Display P3 photo into sRGB
    /// would change its colours. CoreGraphics does convert grey and CMYK photos, and transparent
    /// pixels may lose their colour; parity_check.py shows both.
    private static func rgb(of photo: CGImage) throws -> [UInt8] {
        let (width, height) = (photo.width, photo.height)
        var rgba = [UInt8](repeating: 0, count: width * height * 4)
        try rgba.withUnsafeMutableBytes { memory in
            let own = photo.colorSpace.flatMap { $0.model == .rgb && $0.supportsOutput ? $0 : nil }
            // sRGB for other colours, and for extended spaces, of which 8 bits are no context.
            let spaces = [own, CGColorSpace(name: CGColorSpace.sRGB)].compactMap { $0 }
            let contexts = spaces.lazy.compactMap { space in
                CGContext(
                    data: memory.baseAddress, width: width, height: height, bitsPerComponent: 8,
                    bytesPerRow: width * 4, space: space,
                    bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            }
            guard let context = contexts.first else { throw ClassifierError.notAPhoto }
            context.draw(photo, in: CGRect(x: 0, y: 0, width: width, height: height))
        }
        var rgb = [UInt8](repeating: 0, count: width * height * 3)
        for i in 0..<width * height {
            rgb[3 * i] = rgba[4 * i]
            rgb[3 * i + 1] = rgba[4 * i + 1]
            rgb[3 * i + 2] = rgba[4 * i + 2]
        }
        return rgb
    }
}
