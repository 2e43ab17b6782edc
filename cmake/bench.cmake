# Micro benchmarks: one program and its packs in build/<preset>/bench, which run on any Linux machine with a Vulkan driver.
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

# The kernels that measure the device's limits; those of the catalogue are linked beside them.
set(ANVIL_PROBE_PACK ${CMAKE_BINARY_DIR}/bench/probes.pack)
add_custom_command(
  OUTPUT ${ANVIL_PROBE_PACK}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/bench
  COMMAND ${CMAKE_COMMAND} -E create_symlink ../tensorflow-plugins/kernels.pack ${CMAKE_BINARY_DIR}/bench/kernels.pack
  COMMAND build_kernels --kernels ${CMAKE_SOURCE_DIR}/kernels --cache ${ANVIL_KERNEL_CACHE} --list
          ${CMAKE_SOURCE_DIR}/bench/micro/kernels.txt --out ${ANVIL_PROBE_PACK}
  DEPENDS build_kernels ${ANVIL_KERNELS} bench/micro/kernels.txt
  COMMENT "Building the benchmarks' kernel pack"
  VERBATIM)
add_custom_target(probe_pack ALL DEPENDS ${ANVIL_PROBE_PACK})
add_dependencies(anvil_bench probe_pack kernel_pack)
