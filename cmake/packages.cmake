# Finds what comes from Python packages: Slang (slangpy) and TensorFlow's headers.  Nothing is imported: importing them
# would cost seconds and start a GPU.
if(NOT Python3_EXECUTABLE AND EXISTS ${CMAKE_SOURCE_DIR}/.venv/bin/python)
  set(Python3_EXECUTABLE ${CMAKE_SOURCE_DIR}/.venv/bin/python)
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)

function(anvil_package_folder package out)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
            "import importlib.util as u; s = u.find_spec('${package}'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()

anvil_package_folder(slangpy SLANG_FOLDER)
if(NOT SLANG_FOLDER)
  message(FATAL_ERROR "Slang is not installed for ${Python3_EXECUTABLE}: pip install -r requirements-dev.txt")
endif()
set(SLANG_INCLUDE_DIR ${SLANG_FOLDER}/include)
file(GLOB SLANG_LIBRARY ${SLANG_FOLDER}/libslang-compiler.so*)

if(ANVIL_PLUGIN)
  anvil_package_folder(tensorflow TENSORFLOW_FOLDER)
  if(NOT TENSORFLOW_FOLDER)
    message(FATAL_ERROR "TensorFlow is not installed for ${Python3_EXECUTABLE}: pip install -r requirements-dev.txt")
  endif()
  set(TENSORFLOW_INCLUDE_DIR ${TENSORFLOW_FOLDER}/include)
  set(TENSORFLOW_FRAMEWORK ${TENSORFLOW_FOLDER}/libtensorflow_framework.so.2)
endif()
