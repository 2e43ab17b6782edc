# The kernel packs: kernels.pack, all that the catalogue may ask for, beside the plug-in; and conformance.pack, what the
# drivers' conformance suite has of its own.
set(ANVIL_PACK ${CMAKE_BINARY_DIR}/tensorflow-plugins/kernels.pack)
set(ANVIL_CONFORMANCE_PACK ${CMAKE_BINARY_DIR}/conformance.pack)
file(GLOB ANVIL_KERNELS CONFIGURE_DEPENDS kernels/*.slang)

# Kernels are the same whatever the host's code is compiled with; an instrumented compiler takes minutes to make them.
if(ANVIL_PACKS_FROM)
  foreach(pack tensorflow-plugins/kernels.pack conformance.pack)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/tensorflow-plugins)
    file(CREATE_LINK ${ANVIL_PACKS_FROM}/${pack} ${CMAKE_BINARY_DIR}/${pack} SYMBOLIC)
  endforeach()
  add_custom_target(kernel_pack)
  add_custom_target(conformance_pack)
  return()
endif()

add_executable(build_kernels tools/build_kernels.cc tools/slang_compiler.cc tools/write_pack.cc ${ANVIL_CORE}
                             $<TARGET_OBJECTS:anvil_ops>)
target_include_directories(build_kernels PRIVATE src ${SLANG_INCLUDE_DIR})
target_link_libraries(build_kernels PRIVATE ${SLANG_LIBRARY} ${ANVIL_CORE_LIBS})
set_target_properties(build_kernels PROPERTIES BUILD_RPATH ${SLANG_FOLDER})

set(ANVIL_KERNEL_CACHE ${CMAKE_SOURCE_DIR}/.cache/kernels CACHE PATH "Compiled variants, kept between builds")
set(compile_pack build_kernels --kernels ${CMAKE_SOURCE_DIR}/kernels --cache ${ANVIL_KERNEL_CACHE})
add_custom_command(
  OUTPUT ${ANVIL_PACK}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/tensorflow-plugins
  COMMAND ${compile_pack} --out ${ANVIL_PACK}
  DEPENDS build_kernels ${ANVIL_KERNELS}
  COMMENT "Building the kernel pack"
  VERBATIM)
add_custom_target(kernel_pack ALL DEPENDS ${ANVIL_PACK})

if(ANVIL_TESTS)
  add_custom_command(
    OUTPUT ${ANVIL_CONFORMANCE_PACK}
    COMMAND ${compile_pack} --list ${CMAKE_SOURCE_DIR}/tests/drv/kernels.txt --out ${ANVIL_CONFORMANCE_PACK}
    DEPENDS build_kernels ${ANVIL_KERNELS} tests/drv/kernels.txt
    COMMENT "Building the conformance suite's kernel pack"
    VERBATIM)
  add_custom_target(conformance_pack ALL DEPENDS ${ANVIL_CONFORMANCE_PACK})
endif()
