# What the plug-in takes from TensorFlow's C++ side: the compat shim for the TensorFlow of this environment, and the list
# of the CUDA build's kernels.  tools/build_shims.py makes the shims of the other versions.
# The shim is a C interface: the one that is installed serves every build of the plug-in.
if(NOT ANVIL_SANITIZE AND NOT ANVIL_APPLE_RIG)
  file(GLOB shim_sources CONFIGURE_DEPENDS src/tf/shim/*.cc src/tf/shim/*.h)
  set(shim_stamp ${CMAKE_BINARY_DIR}/shims/.built)
  add_custom_command(
    OUTPUT ${shim_stamp}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/python/tensorflow_anvil/shim.py --tensorflow ${TENSORFLOW_FOLDER}
            --out ${CMAKE_BINARY_DIR}/shims
    COMMAND ${CMAKE_COMMAND} -E touch ${shim_stamp}
    DEPENDS ${shim_sources} python/tensorflow_anvil/shim.py
    COMMENT "Building the compat shim"
    VERBATIM)
  add_custom_target(anvil_shim ALL DEPENDS ${shim_stamp})
  install(DIRECTORY ${CMAKE_BINARY_DIR}/shims/ DESTINATION tensorflow_anvil/shims FILES_MATCHING PATTERN "*.so")
  install(FILES ${shim_sources} DESTINATION tensorflow_anvil/shims/source/tf/shim)  # for tf-anvil build-shim
endif()

set(cuda_kernels ${CMAKE_SOURCE_DIR}/data/cuda_kernels.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${cuda_kernels})
file(READ ${cuda_kernels} cuda_kernels_text)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/cuda_kernels.inc CONTENT "R\"(@cuda_kernels_text@)\"\n" @ONLY)
if(TARGET anvil_plugin)
  target_include_directories(anvil_plugin PRIVATE ${CMAKE_BINARY_DIR}/generated)
endif()
