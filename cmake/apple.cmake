# The Metal driver on Linux: compiled unchanged with Apple's C++ headers (metal-cpp), linked with a fake Objective-C
# runtime and a fake Metal that runs kernels on the CPU (tests/apple).  Needs clang, 15 or later, for blocks and half
# floats; the preset `metal` says which.
enable_language(ASM)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)
  message(FATAL_ERROR "ANVIL_APPLE_RIG needs clang 15 or later; use cmake --preset metal, and install clang-19")
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  message(FATAL_ERROR "ANVIL_APPLE_RIG sends Objective-C messages on x86-64 only (tests/apple/message.S)")
endif()

set(METAL_CPP_FOLDER ${CMAKE_SOURCE_DIR}/.cache CACHE PATH "Where metal-cpp is kept between builds")
execute_process(COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/fetch_metal_cpp.py ${METAL_CPP_FOLDER}
                COMMAND_ERROR_IS_FATAL ANY)

anvil_room(anvil_metal drv/metal)
target_include_directories(anvil_metal SYSTEM PRIVATE tests/apple/include ${METAL_CPP_FOLDER}/metal_cpp)
target_compile_options(anvil_metal PRIVATE -fblocks)

file(GLOB rig_sources CONFIGURE_DEPENDS tests/apple/*.cc tests/apple/msl/*.cc tests/apple/*.S)
add_library(apple_rig OBJECT ${rig_sources})
target_include_directories(apple_rig PRIVATE tests tests/apple/include)
target_compile_definitions(
  apple_rig PRIVATE ANVIL_MSL_CLANG="${CMAKE_CXX_COMPILER}" ANVIL_MSL_CACHE="${CMAKE_BINARY_DIR}/msl"
                    ANVIL_MSL_INCLUDE="${CMAKE_SOURCE_DIR}/tests/apple/msl/include")
if(ANVIL_SANITIZE MATCHES address)  # kernels as well; their threads have stacks of their own (tests/apple/msl/run.cc)
  target_compile_definitions(apple_rig PRIVATE ANVIL_MSL_FLAGS="-fsanitize=address -fsanitize-address-use-after-return=never ")
  set_source_files_properties(tests/apple/msl/run.cc PROPERTIES COMPILE_OPTIONS -fsanitize-address-use-after-return=never)
endif()
# The driver counts which of its lines run (tools/metal_coverage.py), where clang has its runtime for that.
include(CheckCXXSourceCompiles)
set(count_lines -fprofile-instr-generate=${CMAKE_BINARY_DIR}/profiles/all-%m.profraw)
set(CMAKE_REQUIRED_FLAGS ${count_lines})
check_cxx_source_compiles("int main() { return 0; }" CLANG_COUNTS_LINES)
unset(CMAKE_REQUIRED_FLAGS)
if(CLANG_COUNTS_LINES AND NOT ANVIL_SANITIZE)
  target_compile_options(anvil_metal PRIVATE ${count_lines} -fcoverage-mapping)
  add_link_options(${count_lines})
endif()
set(ANVIL_DRIVER $<TARGET_OBJECTS:anvil_metal> $<TARGET_OBJECTS:apple_rig>)
set(ANVIL_EXPORTS ${CMAKE_SOURCE_DIR}/tests/apple/exports.map)
