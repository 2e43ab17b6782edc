# Host tests (GoogleTest).  One executable a folder of tests/: tests/<room>/*_test.cc.
find_package(GTest REQUIRED)
include(GoogleTest)

function(anvil_test name folder)
  file(GLOB sources CONFIGURE_DEPENDS tests/${folder}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources} ${ANVIL_CORE} ${ARGN})
  target_include_directories(${name} PRIVATE src tests)
  target_link_libraries(${name} PRIVATE GTest::gtest_main GTest::gmock ${ANVIL_CORE_LIBS})
  target_compile_definitions(${name} PRIVATE ANVIL_TEST_PACK="${ANVIL_PACK}"
                             ANVIL_CONFORMANCE_PACK="${CMAKE_BINARY_DIR}/conformance.pack")
  add_dependencies(${name} kernel_pack)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600 ENVIRONMENT
                       "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
endfunction()

# The conformance suite has kernels of its own, in a pack of its own.
if(EXISTS ${CMAKE_SOURCE_DIR}/tests/drv/kernels.txt)
  add_custom_command(
    OUTPUT ${CMAKE_BINARY_DIR}/conformance.pack
    COMMAND ${CMAKE_COMMAND} -E env "ASAN_OPTIONS=detect_leaks=0" $<TARGET_FILE:build_kernels> --kernels
            ${CMAKE_SOURCE_DIR}/kernels --cache ${ANVIL_KERNEL_CACHE} --list ${CMAKE_SOURCE_DIR}/tests/drv/kernels.txt
            --out ${CMAKE_BINARY_DIR}/conformance.pack
    DEPENDS build_kernels ${ANVIL_KERNELS} tests/drv/kernels.txt
    VERBATIM)
  add_custom_target(conformance_pack ALL DEPENDS ${CMAKE_BINARY_DIR}/conformance.pack)
endif()

anvil_test(base_test base)
anvil_test(drv_test drv $<TARGET_OBJECTS:anvil_record> $<TARGET_OBJECTS:anvil_vulkan>)
anvil_test(ops_test ops $<TARGET_OBJECTS:anvil_ops> $<TARGET_OBJECTS:anvil_record> $<TARGET_OBJECTS:anvil_vulkan>)
