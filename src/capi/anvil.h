/* The C interface of TensorFlow Anvil: what the library found and what it did.

   Exported by the plug-in itself (libtensorflow_anvil.so), so that a reader looks at the very library that TensorFlow
   runs; the Python package uses it through ctypes.

   Errors     Functions return an anvil_result; nothing is thrown and nothing aborts.
   Threads    All functions may be called from any thread at any time.
   Versions   Structs start with their size, set by the caller.  New fields are added at the end, and only those that
              the caller's size covers are written, so that old callers run with new libraries.
   Texts      Functions that give a text write at most `size` bytes with a 0 at the end, and the length of the whole
              text without it to `*length`: where that is `size` or more, ask again with more room.  `buffer` may be
              NULL if `size` is 0. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum anvil_result {
  ANVIL_OK = 0,
  ANVIL_INVALID_ARGUMENT = 1, /* a null pointer, an index out of range, a size that is too small */
  ANVIL_INTERNAL = 2          /* see the log */
} anvil_result;

/* Of this interface; grows when something is added. */
uint32_t anvil_api_version(void);
/* Of the library, e.g. "0.1.0".  Static. */
const char* anvil_version(void);

/* ---- devices ---- */

typedef struct anvil_device_info {
  uint32_t size;    /* in: sizeof(anvil_device_info) */
  char name[256];   /* e.g. "llvmpipe (LLVM 15.0.6, 256 bits)" */
  char driver[256]; /* e.g. "vulkan: llvmpipe Mesa 22.3.6" */
  char uuid[64];
  char kind[16];      /* discrete, integrated, virtual or cpu */
  uint32_t subgroup;  /* lanes that run together */
  uint32_t max_group; /* threads in a group */
  uint32_t group_memory;
  uint32_t cores;
  uint8_t f16, f64, matrix_f16, atomic_f32_add, unified;
  uint8_t reserved[3];
  uint64_t memory;         /* bytes this process may use */
  uint64_t max_allocation; /* bytes */
  uint64_t memory_free;    /* bytes, now */
} anvil_device_info;

/* The devices offered to TensorFlow; where TensorFlow has not asked yet, those that would be: none if there is an
   obstacle in the TensorFlow installed.  In the second case each call looks anew, which takes some hundredths of a
   second, and the first one some seconds to load TensorFlow's libraries. */
anvil_result anvil_device_count(int32_t* count);
anvil_result anvil_device(int32_t index, anvil_device_info* info);
/* Why there is no device, and what to do; empty where there is one. */
anvil_result anvil_no_device_reason(char* buffer, size_t size, size_t* length);

/* ---- counters ---- */

typedef struct anvil_counter_info {
  uint32_t size;    /* in: sizeof(anvil_counter_info) */
  uint32_t gauge;   /* 1: a level, such as bytes in use; 0: counts up */
  const char* name; /* static */
  uint64_t value;
} anvil_counter_info;

int32_t anvil_counter_count(void);
anvil_result anvil_counter(int32_t index, anvil_counter_info* info);
/* Zeroes all but the gauges, the named counts too; peaks fall to the present level. */
anvil_result anvil_reset_counters(void);

/* Ops that fell back to the CPU: a line "<op>\t<count>\n" each.  An op counts once for each graph that it was placed
   in, and each time it runs eagerly. */
anvil_result anvil_fallbacks(char* buffer, size_t size, size_t* length);
/* Ops that run on the CPU for want of a kernel on any GPU, also TensorFlow's CUDA build's, though they take tensors
   from the device, which are copied: a line "<op>\t<count>\n" each, counted like fallbacks. */
anvil_result anvil_cpu_ops(char* buffer, size_t size, size_t* length);
/* Ops that ran on the CPU by proxy, because they had to run where a variable lives or where the script said: a line
   "<op>\t<calls>\n" each. */
anvil_result anvil_proxies(char* buffer, size_t size, size_t* length);

/* ---- texts ---- */

/* The newest lines of "plan" (what planners decided) or "fallback", oldest first. */
anvil_result anvil_log(const char* kind, char* buffer, size_t size, size_t* length);
/* The ops of the catalogue: a line "<op>\t<attribute>=<type>,<type>\t...\n" per row. */
anvil_result anvil_ops(char* buffer, size_t size, size_t* length);
/* All options: a line "<environment variable>\t<values>\t<meaning>\n" each. */
anvil_result anvil_options(char* buffer, size_t size, size_t* length);

#ifdef __cplusplus
}
#endif
