# Micro benchmarks: one program and its pack in build/<preset>/bench, which run on any Linux machine with a Vulkan driver.
file(GLOB bench_sources CONFIGURE_DEPENDS bench/micro/*.cc)
add_executable(anvil_bench ${bench_sources} ${ANVIL_CORE} $<TARGET_OBJECTS:anvil_ops> $<TARGET_OBJECTS:anvil_vulkan>)
target_include_directories(anvil_bench PRIVATE src)
target_compile_definitions(anvil_bench PRIVATE ANVIL_VERSION="${PROJECT_VERSION}")
# Runs on machines where nothing is installed but a Vulkan driver: zlib and the C++ library go in.
find_library(ANVIL_STATIC_ZLIB NAMES libz.a)
if(ANVIL_STATIC_ZLIB)
  target_link_libraries(anvil_bench PRIVATE ${ANVIL_STATIC_ZLIB} Threads::Threads ${CMAKE_DL_LIBS})
else()
  target_link_libraries(anvil_bench PRIVATE ${ANVIL_CORE_LIBS})
endif()
# Unused parts of the static C++ library ask for glibc 2.36; without them 2.35 is enough.
target_link_options(anvil_bench PRIVATE -static-libstdc++ -static-libgcc -Wl,--gc-sections)
set_target_properties(anvil_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)

# The catalogue's kernels and those that measure the device's limits.
set(ANVIL_BENCH_PACK ${CMAKE_BINARY_DIR}/bench/bench.pack)
add_custom_command(
  OUTPUT ${ANVIL_BENCH_PACK}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/bench
  COMMAND sh -c "$<TARGET_FILE:build_kernels> --print-variants | cat - '${CMAKE_SOURCE_DIR}/bench/micro/kernels.txt' > bench/kernels.txt"
  COMMAND build_kernels --kernels ${CMAKE_SOURCE_DIR}/kernels --cache ${ANVIL_KERNEL_CACHE} --list bench/kernels.txt
          --out ${ANVIL_BENCH_PACK}
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
  DEPENDS build_kernels ${ANVIL_KERNELS} ${ANVIL_PACK} bench/micro/kernels.txt
  COMMENT "Building the benchmarks' kernel pack"
  VERBATIM)
add_custom_target(bench_pack ALL DEPENDS ${ANVIL_BENCH_PACK})
add_dependencies(anvil_bench bench_pack)
