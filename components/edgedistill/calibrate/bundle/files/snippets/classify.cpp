// classify BUNDLE THRESHOLD PHOTO.ppm: what the model says of an upright 8-bit RGB photo.
//
// C++17, LiteRT's C API 2.3 (libLiteRt.so and its headers), letterbox.h of this bundle:
//     c++ -std=c++17 -O2 -I.. -I<litert headers> classify.cpp -lLiteRt -o classify
// In an app keep what `Classifier` makes, and call `confidences` for each photo.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "letterbox.h"
#include "litert/c/litert_common.h"
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"

static void check(LiteRtStatus status, const char* what) {
  if (status != kLiteRtStatusOk)
    throw std::runtime_error(std::string(what) + ": LiteRT status " + std::to_string(status));
}

// One end of the model: its buffer, its size and how it is quantised, all read from the file.
struct End {
  LiteRtTensorBuffer buffer = nullptr;
  LiteRtRankedTensorType type{};
  LiteRtQuantizationPerTensor quantised{};
};

class Classifier {
 public:
  explicit Classifier(const std::string& model_path) {
    check(LiteRtCreateEnvironment(0, nullptr, &environment_), "environment");
    check(LiteRtCreateModelFromFile(environment_, model_path.c_str(), &model_), "model");
    check(LiteRtCreateOptions(&options_), "options");
    check(LiteRtSetOptionsHardwareAccelerators(options_, kLiteRtHwAcceleratorCpu), "CPU");
    check(LiteRtCreateCompiledModel(environment_, model_, options_, &compiled_), "compile");
    LiteRtSignature signature = nullptr;
    check(LiteRtGetModelSignature(model_, 0, &signature), "signature");
    LiteRtTensor tensor = nullptr;
    LiteRtTensorBufferRequirements needs = nullptr;
    check(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor), "input");
    check(LiteRtGetCompiledModelInputBufferRequirements(compiled_, 0, 0, &needs), "input");
    open(tensor, needs, &input_);
    check(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor), "output");
    check(LiteRtGetCompiledModelOutputBufferRequirements(compiled_, 0, 0, &needs), "output");
    open(tensor, needs, &output_);
  }

  ~Classifier() {
    if (output_.buffer) LiteRtDestroyTensorBuffer(output_.buffer);
    if (input_.buffer) LiteRtDestroyTensorBuffer(input_.buffer);
    if (compiled_) LiteRtDestroyCompiledModel(compiled_);
    if (options_) LiteRtDestroyOptions(options_);
    if (model_) LiteRtDestroyModel(model_);
    if (environment_) LiteRtDestroyEnvironment(environment_);
  }
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  // The confidence of each class; they add up to 1. rgb: height rows of width pixels.
  std::vector<double> confidences(const uint8_t* rgb, int height, int width) {
    const int side = input_.type.layout.dimensions[1];
    std::vector<uint8_t> square(static_cast<size_t>(side) * side * 3);
    if (edgedistill_letterbox(rgb, height, width, static_cast<size_t>(width) * 3, side,
                              square.data()) != EDGEDISTILL_OK)
      throw std::runtime_error("letterbox failed");
    void* memory = nullptr;
    check(LiteRtLockTensorBuffer(input_.buffer, &memory, kLiteRtTensorBufferLockModeWrite), "lock");
    const bool is_signed = input_.type.element_type == kLiteRtElementTypeInt8;
    const int least = is_signed ? -128 : 0;
    for (size_t i = 0; i < square.size(); i++) {
      const double value = std::nearbyint(square[i] / static_cast<double>(input_.quantised.scale)) +
                           static_cast<double>(input_.quantised.zero_point);
      static_cast<uint8_t*>(memory)[i] =
          static_cast<uint8_t>(static_cast<int>(std::clamp<double>(value, least, least + 255)));
    }
    check(LiteRtUnlockTensorBuffer(input_.buffer), "unlock");
    check(LiteRtRunCompiledModel(compiled_, 0, 1, &input_.buffer, 1, &output_.buffer), "run");
    check(LiteRtLockTensorBuffer(output_.buffer, &memory, kLiteRtTensorBufferLockModeRead), "lock");
    std::vector<double> shares(static_cast<size_t>(output_.type.layout.dimensions[1]));
    const double scale = output_.quantised.scale;
    const double zero_point = static_cast<double>(output_.quantised.zero_point);
    for (size_t i = 0; i < shares.size(); i++)
      shares[i] = (static_cast<int8_t*>(memory)[i] - zero_point) * scale;
    check(LiteRtUnlockTensorBuffer(output_.buffer), "unlock");
    const double largest = *std::max_element(shares.begin(), shares.end());
    double sum = 0;
    for (double& share : shares) sum += share = std::exp(share - largest);
    for (double& share : shares) share /= sum;
    return shares;
  }

 private:
  void open(LiteRtTensor tensor, LiteRtTensorBufferRequirements needs, End* end) {
    check(LiteRtGetRankedTensorType(tensor, &end->type), "type");
    check(LiteRtGetPerTensorQuantization(tensor, &end->quantised), "quantisation");
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment_, &end->type, needs,
                                                          &end->buffer),
          "buffer");
  }

  LiteRtEnvironment environment_ = nullptr;
  LiteRtModel model_ = nullptr;
  LiteRtOptions options_ = nullptr;
  LiteRtCompiledModel compiled_ = nullptr;
  End input_, output_;
};

int main(int count, char** arguments) try {
  if (count != 4) throw std::runtime_error("usage: classify BUNDLE THRESHOLD PHOTO.ppm");
  const std::string bundle = arguments[1];
  std::ifstream file(arguments[3], std::ios::binary);
  std::string kind;
  int width = 0, height = 0, largest = 0;
  file >> kind >> width >> height >> largest;
  file.get();
  if (kind != "P6" || width < 1 || height < 1 || largest != 255)
    throw std::runtime_error("the photo must be a binary PPM of 8 bits (P6)");
  std::vector<uint8_t> rgb(static_cast<size_t>(width) * height * 3);
  if (!file.read(reinterpret_cast<char*>(rgb.data()), static_cast<std::streamsize>(rgb.size())))
    throw std::runtime_error("the photo is cut off");

  Classifier classifier(bundle + "/model_qat_int8.tflite");
  const std::vector<double> shares = classifier.confidences(rgb.data(), height, width);
  const auto best = std::max_element(shares.begin(), shares.end());
  std::ifstream labels(bundle + "/labels.txt");
  std::string name;
  for (auto line = shares.begin(); line <= best; ++line) std::getline(labels, name);
  if (*best < std::atof(arguments[2])) name = "unknown";
  std::printf("%s %.4f\n", name.c_str(), *best);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
