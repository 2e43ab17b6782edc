// Element types, their sizes and their names in TensorFlow and in the kernels.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace anvil {

enum class DType : uint8_t { f32, f16, bf16, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean, c64, c128 };

struct DTypeFacts {
  std::string_view slang;       // name of the element struct in kernels/element.slang
  std::string_view tensorflow;  // name in TensorFlow's messages and in Python
  uint8_t size;                 // bytes
};
inline constexpr std::array<DTypeFacts, 15> kDTypes = {{{"F32", "float", 4},
                                                        {"F16", "half", 2},
                                                        {"BF16", "bfloat16", 2},
                                                        {"F64", "double", 8},
                                                        {"I8", "int8", 1},
                                                        {"I16", "int16", 2},
                                                        {"I32", "int32", 4},
                                                        {"I64", "int64", 8},
                                                        {"U8", "uint8", 1},
                                                        {"U16", "uint16", 2},
                                                        {"U32", "uint32", 4},
                                                        {"U64", "uint64", 8},
                                                        {"Bool", "bool", 1},
                                                        {"C64", "complex64", 8},
                                                        {"C128", "complex128", 16}}};

constexpr const DTypeFacts& facts(DType t) { return kDTypes[static_cast<size_t>(t)]; }
constexpr size_t size_of(DType t) { return facts(t).size; }
constexpr std::string_view slang_name(DType t) { return facts(t).slang; }
constexpr bool is_float(DType t) { return t <= DType::f64; }
constexpr bool is_integer(DType t) { return t >= DType::i8 && t <= DType::u64; }

}  // namespace anvil
