// Fourier transforms of complex64 and float32 tensors.  The bodies are in kernels/fft.slang.  A transform of real
// numbers is one of complex numbers of which half is kept.
#include <algorithm>
#include <numeric>

#include "ops/copy.h"
#include "ops/host.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kTable = "fft/table", *kPass = "fft/pass", *kMirror = "fft/mirror";
// A pass adds up one factor's elements in one loop, which llvmpipe cuts off at 65535 turns.
constexpr int64_t kLargestFactor = 65535, kLongest = int64_t{1} << 28;

// Fours first: half the passes of twos.
std::vector<uint32_t> factors(int64_t n) {
  std::vector<uint32_t> found;
  for (int64_t f = 4; n > 1;) {
    if (n % f == 0) {
      require(f <= kLargestFactor, Code::unimplemented, "Fourier transforms over a prime length of ", f,
              " are not supported on this device; pad to a power of two");
      found.push_back(static_cast<uint32_t>(f));
      n /= f;
    } else {
      f = f == 4 ? 2 : f == 2 ? 3 : f * f > n ? n : f + 2;
    }
  }
  return found;
}

int64_t inner_of(const Shape& s, size_t axis) {
  return std::accumulate(s.begin() + static_cast<int64_t>(axis) + 1, s.end(), int64_t{1}, std::multiplies<>());
}

// y = the transform of x along the axes; x is not y, and keeps its values.
void transform(Call& call, const Tensor& x, const Tensor& y, const std::vector<size_t>& axes, bool inverse) {
  size_t passes = 0;
  for (size_t axis : axes) passes += factors(y.shape[axis]).size();
  if (passes == 0) return call.stream().copy(y.data, x.data, x.bytes());
  const Tensor other = passes > 1 ? call.scratch(y.type, y.shape) : y;
  Tensor from = x;
  for (size_t axis : axes) {
    const int64_t n = y.shape[axis];
    if (n == 1) continue;
    require(n <= kLongest, Code::unimplemented, "Fourier transforms of more than ", kLongest,
            " elements are not supported on this device");
    const Tensor table = call.scratch(DType::c64, {n});
    launch_threads(call, kTable, n, {write(table)}, static_cast<uint32_t>(n));
    struct {
      uint32_t count, n, radix, done, inner, inverse;
      float scale;
    } params{uint32_t(y.size()), uint32_t(n), 0, 1, uint32_t(inner_of(y.shape, axis)), inverse, 1};
    for (uint32_t factor : factors(n)) {
      const Tensor& to = passes-- % 2 == 1 ? y : other;
      params.radix = factor;
      params.scale = inverse ? 1.0f / static_cast<float>(factor) : 1.0f;
      launch_threads(call, kPass, y.size(), {read(from), write(to), read(table)}, params);
      params.done *= factor;
      from = to;
    }
  }
}

// The leading part of x that y holds; `from` and `to` are the tensors' elements in units of the copy.
void crop(Call& call, const Tensor& x, const Tensor& y, int64_t from, int64_t to, DType unit) {
  const auto steps_x = contiguous_strides(x.shape), steps_y = contiguous_strides(y.shape);
  Walk walk;
  for (size_t d = y.shape.size(); d-- > 0;)
    walk.axes.push_back({std::min(x.shape[d], y.shape[d]), {steps_x[d] * from, steps_y[d] * to}});
  launch_copy(call, walk, {{x.size() * from}, unit, x.data}, {{y.size() * to}, unit, y.data});
}

// ---- arguments ----
enum class Kind : uint8_t { complex, from_real, to_real };

struct Axes {
  std::vector<size_t> all;
  Shape shape;  // of the signal: the input's, with the lengths of the transform
};
// The last `rank` axes of the input; their lengths from the argument where there is one.
Axes last_axes(Call& call, const Tensor& x, size_t rank, Kind kind) {
  require(x.shape.size() >= rank, Code::invalid_argument, "Input must have rank of at least ", rank,
          " but got: ", text(x.shape));
  Axes a{{}, x.shape};
  for (size_t i = 0; i < rank; ++i) a.all.push_back(x.shape.size() - rank + i);
  if (kind == Kind::complex) return a;
  const Tensor lengths = call.input(1);
  require(lengths.rank() == 1 && lengths.size() == static_cast<int64_t>(rank), Code::invalid_argument,
          "fft_length must have shape [", rank, "]");
  const std::vector<int64_t> n = host_values(lengths);
  for (size_t i = 0; i < rank; ++i) a.shape[a.all[i]] = n[i];
  return a;
}
// As the N-dimensional ops name them: (input, fft_length, axes).
Axes named_axes(Call& call, const Tensor& x) {
  const Tensor lengths = call.input(1), axes = call.input(2);
  require(lengths.rank() == 1 && axes.rank() == 1 && lengths.size() == axes.size() && axes.size() >= 1,
          Code::invalid_argument, "fft_length and axes must be vectors of one length, got ", text(lengths.shape),
          " and ", text(axes.shape));
  Axes a{{}, x.shape};
  const std::vector<int64_t> n = host_values(lengths), named = host_values(axes);
  for (size_t i = 0; i < named.size(); ++i) {
    const int64_t axis = named[i] < 0 ? named[i] + x.rank() : named[i];
    require(axis >= 0 && axis < x.rank(), Code::invalid_argument, "axis ", named[i], " is out of range for rank ",
            x.rank());
    const auto at = static_cast<size_t>(axis);
    require(std::ranges::find(a.all, at) == a.all.end(), Code::invalid_argument, "axis ", axis, " is named twice");
    a.all.push_back(at);
    a.shape[at] = n[i];
  }
  return a;
}

void check_lengths(const Tensor& x, const Axes& a, Kind kind) {
  for (size_t axis : a.all) {
    const int64_t n = a.shape[axis];
    require(n >= 0, Code::invalid_argument, "fft_length must not be negative, got ", n);
    const int64_t needed = kind == Kind::to_real && axis == a.all.back() && n > 0 ? n / 2 + 1 : n;
    require(x.size() == 0 || x.shape[axis] >= needed, Code::invalid_argument, "Input dimension ", axis,
            " must have length of at least ", needed, " but got: ", x.shape[axis]);
  }
}

// ---- the ops ----
// Nothing to transform: no result, or of no input zeros.
bool trivial(Call& call, const Tensor& x, const Tensor& y) {
  if (y.size() && x.size() == 0) call.stream().fill(y.data, 0, 4, y.bytes());
  return y.size() == 0 || x.size() == 0;
}

void run_complex(Call& call, const Tensor& x, const Axes& a, bool inverse) {
  const Tensor y = call.output(0, x.type, a.shape);
  if (trivial(call, x, y)) return;
  Tensor in = x;
  if (x.shape != a.shape) {
    in = call.scratch(x.type, a.shape);
    crop(call, x, in, 1, 1, x.type);
  }
  transform(call, in, y, a.all, inverse);
}

void run_from_real(Call& call, const Tensor& x, const Axes& a) {
  Shape half = a.shape;
  const size_t last = a.all.back();
  half[last] = half[last] > 0 ? half[last] / 2 + 1 : 0;
  const Tensor y = call.output(0, DType::c64, half);
  if (trivial(call, x, y)) return;
  const Tensor signal = call.scratch(DType::c64, a.shape), full = call.scratch(DType::c64, a.shape);
  call.stream().fill(signal.data, 0, 4, signal.bytes());
  crop(call, x, signal, 1, 2, DType::f32);
  transform(call, signal, full, {last}, false);
  if (a.all.size() == 1) return crop(call, full, y, 1, 1, y.type);
  const Tensor kept = call.scratch(DType::c64, half);
  crop(call, full, kept, 1, 1, y.type);
  transform(call, kept, y, {a.all.begin(), a.all.end() - 1}, false);
}

void run_to_real(Call& call, const Tensor& x, const Axes& a) {
  const Tensor y = call.output(0, DType::f32, a.shape);
  if (trivial(call, x, y)) return;
  const size_t last = a.all.back();
  Shape half = a.shape;
  half[last] = half[last] / 2 + 1;
  Tensor spectrum = x;
  if (x.shape != half) {
    spectrum = call.scratch(DType::c64, half);
    crop(call, x, spectrum, 1, 1, x.type);
  }
  if (a.all.size() > 1) {
    const Tensor rows = call.scratch(DType::c64, half);
    transform(call, spectrum, rows, {a.all.begin(), a.all.end() - 1}, true);
    spectrum = rows;
  }
  const Tensor full = call.scratch(DType::c64, a.shape), signal = call.scratch(DType::c64, a.shape);
  struct {
    uint32_t count, n, inner;
  } params{uint32_t(y.size()), uint32_t(a.shape[last]), uint32_t(inner_of(a.shape, last))};
  launch_threads(call, kMirror, y.size(), {read(spectrum), write(full)}, params);
  transform(call, full, signal, {last}, true);
  launch_copy(call, {{{y.size(), {2, 1}}}}, {{2 * y.size()}, DType::f32, signal.data}, y);
}

// Rank 0: the axes are an argument.
template <Kind kind, size_t Rank, bool Inverse>
void run(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  const Axes a = Rank == 0 ? named_axes(call, x) : last_axes(call, x, Rank, kind);
  check_lengths(x, a, kind);
  if constexpr (kind == Kind::complex) run_complex(call, x, a, Inverse);
  if constexpr (kind == Kind::from_real) run_from_real(call, x, a);
  if constexpr (kind == Kind::to_real) run_to_real(call, x, a);
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const char* n : {kTable, kPass, kMirror}) names.push_back(n);
  copy_variants(op, names);
}

template <size_t Rank, bool Inverse>
OpSpec complex(const char* name) {
  return {name, {DType::c64}, run<Kind::complex, Rank, Inverse>, "", variants, nullptr, {}, "Tcomplex"};
}
// As graphs of TensorFlow 0.8 and before call it.
template <size_t Rank, bool Inverse>
OpSpec batched(const char* name) {
  return {name, {}, run<Kind::complex, Rank, Inverse>, "", variants};
}
template <Kind kind, size_t Rank>
OpSpec real(const char* name) {
  return {name,           {DType::f32}, run<kind, Rank, false>,      "", variants, nullptr,
          {"fft_length"}, "Treal",      {{"Tcomplex", {DType::c64}}}};
}
OpSpec named(OpSpec row) {
  row.host = {"fft_length", "axes"};
  return row;
}

const Family transforms{
    complex<1, false>("FFT"),
    complex<2, false>("FFT2D"),
    complex<3, false>("FFT3D"),
    complex<1, true>("IFFT"),
    complex<2, true>("IFFT2D"),
    complex<3, true>("IFFT3D"),
    real<Kind::from_real, 1>("RFFT"),
    real<Kind::from_real, 2>("RFFT2D"),
    real<Kind::from_real, 3>("RFFT3D"),
    real<Kind::to_real, 1>("IRFFT"),
    real<Kind::to_real, 2>("IRFFT2D"),
    real<Kind::to_real, 3>("IRFFT3D"),
    named(complex<0, false>("FFTND")),
    named(complex<0, true>("IFFTND")),
    named(real<Kind::from_real, 0>("RFFTND")),
    named(real<Kind::to_real, 0>("IRFFTND")),
    batched<1, false>("BatchFFT"),
    batched<2, false>("BatchFFT2D"),
    batched<3, false>("BatchFFT3D"),
    batched<1, true>("BatchIFFT"),
    batched<2, true>("BatchIFFT2D"),
    batched<3, true>("BatchIFFT3D"),
};

}  // namespace
}  // namespace anvil::ops
