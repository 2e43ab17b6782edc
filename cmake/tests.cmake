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
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ${ANVIL_APPLE_RIG})  # kernels call into the rig
  if(NOT ANVIL_SANITIZE)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER "${${name}_some}" PROPERTIES TIMEOUT 600)
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
  anvil_test(drv_test drv 6 $<TARGET_OBJECTS:anvil_record> ${ANVIL_DRIVER})
  anvil_test(apple_test apple/tests 1 ${ANVIL_DRIVER})
  target_include_directories(apple_test_cases SYSTEM PRIVATE tests/apple/include ${METAL_CPP_FOLDER}/metal_cpp)
  target_compile_options(apple_test_cases PRIVATE -fblocks)
  if(ANVIL_SANITIZE)
    return()
  endif()
  # The ops' tests compile a thousand kernels with clang: here some of each kind, all of them with `make test-metal`.
  set(ops_test_some
      Conv2D.AllPassesByTheKernelsForGpus MatMul.* BatchMatMul.* Types/Softmax.* Types/BatchNorm.*/0 Types/Pool.*/0
      Types/ReduceKernels.*/0 *UnaryKernel.*/Tanh* *PairKernel.*/Sub Depthwise.* Sort.* Scan.* Arg.* Random.*
      CrossEntropy.* CudnnRnn.* Layout.Transpose*)
  string(REPLACE ";" ":" ops_test_some "${ops_test_some}")
  anvil_objects_of(ops_test_cases ops_cases)
  list(FILTER ops_cases EXCLUDE REGEX "/vulkan_gpu\\.cc")
  anvil_test(ops_test apple/ops 6 ${ANVIL_OPS} ${ops_cases} $<TARGET_OBJECTS:anvil_record> ${ANVIL_DRIVER})
  return()
endif()
anvil_test(base_test base 1)
anvil_test(drv_test drv 6 $<TARGET_OBJECTS:anvil_record> ${ANVIL_DRIVER})
# An op runs on its caller's thread alone: races are looked for in the driver's tests and in training.
if(NOT ANVIL_SANITIZE STREQUAL "thread")
  anvil_test(ops_test ops 6 ${ANVIL_OPS} $<TARGET_OBJECTS:anvil_record> ${ANVIL_DRIVER})
endif()
if(ANVIL_SANITIZE AND TARGET ops_test)
  # References are loops over every element, ten times slower when instrumented; it is the ops that are to be looked at.
  target_compile_options(ops_test_cases PRIVATE -fno-sanitize=all)
endif()
if(TARGET ops_test)
  anvil_list_objects(ops_test_cases)
endif()
