# Host tests (GoogleTest).  One executable a folder of tests/: tests/<room>/*_test.cc.
find_package(GTest REQUIRED)
include(GoogleTest)

set(other_driver metal)  # whose tests are left out
if(ANVIL_APPLE_RIG)
  set(other_driver vulkan)
endif()

# anvil_test(NAME FOLDER SHARDS OBJECTS...).  Every test is a process of its own, except under the sanitizers, where a
# process takes seconds to start: there SHARDS processes have a share of the tests each.
function(anvil_test name folder shards)
  file(GLOB sources CONFIGURE_DEPENDS tests/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/${other_driver}_[a-z]+\\.cc$")
  if(NOT sources)
    return()
  endif()
  # Objects in this order: of an inline function that both have, the linker takes the rooms' copy.
  add_library(${name}_cases OBJECT ${sources})
  add_executable(${name} ${ANVIL_CORE} ${ARGN} $<TARGET_OBJECTS:${name}_cases>)
  target_include_directories(${name}_cases PRIVATE src tests)
  target_link_libraries(${name}_cases PRIVATE GTest::gtest_main GTest::gmock)
  target_link_libraries(${name} PRIVATE GTest::gtest_main GTest::gmock ${ANVIL_CORE_LIBS})
  target_compile_definitions(${name}_cases PRIVATE ANVIL_TEST_PACK="${ANVIL_PACK}"
                             ANVIL_CONFORMANCE_PACK="${ANVIL_CONFORMANCE_PACK}")
  add_dependencies(${name} kernel_pack conformance_pack)
  if(NOT ANVIL_SANITIZE)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600)
    return()
  endif()
  foreach(index RANGE 1 ${shards})
    math(EXPR shard "${index} - 1")
    add_test(NAME ${name}.${index} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(
      ${name}.${index}
      PROPERTIES TIMEOUT 1800 ENVIRONMENT "GTEST_TOTAL_SHARDS=${shards};GTEST_SHARD_INDEX=${shard}"
                 ENVIRONMENT_MODIFICATION
                 "TSAN_OPTIONS=string_append: suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
  endforeach()
endfunction()

if(ANVIL_APPLE_RIG)
  anvil_test(drv_test drv 6 $<TARGET_OBJECTS:anvil_record> $<TARGET_OBJECTS:anvil_metal> $<TARGET_OBJECTS:apple_rig>)
  anvil_test(apple_test apple/tests 1 $<TARGET_OBJECTS:anvil_metal> $<TARGET_OBJECTS:apple_rig>)
  target_include_directories(apple_test_cases SYSTEM PRIVATE tests/apple/include ${METAL_CPP_FOLDER}/metal_cpp)
  target_compile_options(apple_test_cases PRIVATE -fblocks)
  set_target_properties(drv_test apple_test PROPERTIES ENABLE_EXPORTS ON)  # kernels call into the rig
  return()
endif()
anvil_test(base_test base 1)
anvil_test(drv_test drv 6 $<TARGET_OBJECTS:anvil_record> $<TARGET_OBJECTS:anvil_vulkan>)
# An op runs on its caller's thread alone: races are looked for in the driver's tests and in training.
if(NOT ANVIL_SANITIZE STREQUAL "thread")
  anvil_test(ops_test ops 6 $<TARGET_OBJECTS:anvil_ops> $<TARGET_OBJECTS:anvil_record> $<TARGET_OBJECTS:anvil_vulkan>)
endif()
if(ANVIL_SANITIZE AND TARGET ops_test)
  # References are loops over every element, ten times slower when instrumented; it is the ops that are to be looked at.
  target_compile_options(ops_test_cases PRIVATE -fno-sanitize=all)
endif()
