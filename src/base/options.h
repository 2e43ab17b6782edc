// Every option of the library, in one table.  Options are environment variables, read once, when first asked for.
// docs/HACKING.md's table is printed from option_table().
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace anvil {

struct Options {
  std::string device;            // ANVIL_DEVICE: comma list of indices and parts of names; "none" offers no device
  uint64_t virtual_devices = 1;  // ANVIL_VIRTUAL_DEVICES: how often each GPU is offered
  bool software_device = false;  // ANVIL_SOFTWARE_DEVICE=1: offer CPU-type devices such as lavapipe
  bool safe = false;             // ANVIL_SAFE=1: one launch at a time, waited for and checked
  bool guard = false;            // ANVIL_GUARD=1: addresses given to TensorFlow are inaccessible on unified memory too
  bool validate = false;         // ANVIL_VALIDATE=1: driver validation (Vulkan layer); messages are counted and logged
  uint64_t memory_limit = 0;     // ANVIL_MEMORY_LIMIT: bytes, or with suffix K, M, G; 0 = the device's own limit
  std::string cache_dir;    // ANVIL_CACHE_DIR: default $XDG_CACHE_HOME/tensorflow-anvil or ~/.cache/tensorflow-anvil
  std::string kernel_pack;  // ANVIL_KERNEL_PACK: path of kernels.pack; default beside the library
  std::string shim;         // ANVIL_SHIM: path of the compat shim; default chosen by TensorFlow's version
  std::string plan_as;      // ANVIL_PLAN_AS=discrete: planners take the device for that kind (DeviceKind's names)
  std::string fault;        // ANVIL_FAULT: injected faults for tests, "alloc:3,submit:10,lost:20,pipeline:2"
  std::string log;          // ANVIL_LOG: comma list of error, warn, info, plan, fallback, all; default "error,warn"
};

// The process's options.  Thread-safe; parsed at the first call.  A malformed value keeps the default and logs once.
const Options& options();

// Parses `lookup(name)` for every option; for tests.  Messages about malformed values are appended to `problems`.
Options parse_options(const char* (*lookup)(const char*), std::vector<std::string>& problems);

// The words of a comma list, without blanks around them and without empty ones.
std::vector<std::string> words_of(const std::string& list);

struct OptionRow {
  const char* name;
  const char* value;    // what may be written
  const char* meaning;  // one sentence
};
const std::vector<OptionRow>& option_table();

}  // namespace anvil
