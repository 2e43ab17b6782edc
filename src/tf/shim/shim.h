/* The interface between the plug-in and the compat shim.

   TensorFlow's C interface lacks, in some versions, the functions that variables need, and in all versions a way to
   keep XLA off a device and to see where ops were placed.  The shim is a small library that has them: built like an
   ordinary custom op against one TensorFlow's C++ headers, loaded by the plug-in, and speaking plain C, so that one
   plug-in serves every TensorFlow.

   All functions may be called from any thread, except those that say otherwise.  Errors are reported in `status`. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "tensorflow/c/tf_status.h"

typedef struct TF_OpKernelContext TF_OpKernelContext;

#ifdef __cplusplus
extern "C" {
#endif

enum { ANVIL_SHIM_REVISION = 5 };

/* A tensor's buffer; `type` is a TF_DataType.  Borrowed for the length of the call. */
typedef struct anvil_buffer {
  void* data;
  uint64_t bytes;
  int32_t type;
  int32_t rank;
  const int64_t* shape;
} anvil_buffer;

/* Records a copy of equally large buffers on the kernel's stream. */
typedef void (*anvil_copy)(TF_OpKernelContext* context, const anvil_buffer* from, const anvil_buffer* to,
                           TF_Status* status);
/* Records to = old (op) value on the kernel's stream; `to` may be `old`. */
typedef void (*anvil_update)(TF_OpKernelContext* context, int32_t op, const anvil_buffer* old,
                             const anvil_buffer* value, const anvil_buffer* to, TF_Status* status);

enum { ANVIL_READ = 0, ANVIL_CHANGE = 1 };
/* What is done with the buffers of an op's variables; nonzero if it worked. */
typedef int32_t (*anvil_use)(void* closure, const anvil_buffer* variables);

typedef void (*anvil_type_found)(void* closure, const char* name, int32_t type);

/* An op on a device of another type although this type was asked for or preferred. */
typedef struct anvil_node {
  const char* op;
  const char* name; /* of the node; empty for eager ops */
  const void* attributes;
  int32_t (*type)(const void* attributes, const char* name); /* of a type attribute, as TF_DataType; 0: there is none */
  /* Calls `found` for each attribute that is one type. */
  void (*each_type)(const void* attributes, void* closure, anvil_type_found found);
  /* 1: its tensors are copied from the device for it.  That is, one of them lies in the device's memory, and the op
     would make sense there: all its tensors are numbers, and it keeps no state. */
  int32_t takes_from_device;
} anvil_node;

/* `may_matter` is asked first, for speed: could an op of this name be one worth reporting, even if it takes nothing
   from the device? */
typedef struct anvil_placement_watch {
  int32_t (*may_matter)(const char* op);
  void (*left_out)(const anvil_node* node); /* placed on the CPU because the device has no kernel for it */
} anvil_placement_watch;

/* For ops that run on the CPU by proxy: asked once for each op, told of each call, and the copies between a device
   buffer and an equally large one in host memory, which are done when they return. */
typedef struct anvil_proxy_calls {
  int32_t (*wanted)(const char* op);
  void (*ran)(const anvil_node* node);
  anvil_copy to_host;
  anvil_copy to_device;
} anvil_proxy_calls;

/* What kernels for things that hold tensors do with the tensors inside, which are in device memory: all but `adds`
   record it on the kernel's stream. */
typedef struct anvil_container_calls {
  void (*zero)(TF_OpKernelContext* context, const anvil_buffer* to, TF_Status* status);
  void (*add)(TF_OpKernelContext* context, const anvil_buffer* a, const anvil_buffer* b, const anvil_buffer* to,
              TF_Status* status);
  anvil_copy copy;
  int32_t (*adds)(int32_t type); /* Does `add` take this TF_DataType? */
} anvil_container_calls;

typedef struct anvil_shim_api {
  uint32_t revision;
  const char* tensorflow; /* the version it was built for, e.g. "2.21.0" */

  /* variable (input `handle`, a resource or a reference) = input `value`, as AssignVariableOp of type `type` or Assign.
   */
  void (*assign)(TF_OpKernelContext* context, int32_t handle, int32_t value, int32_t type, int32_t validate_shape,
                 anvil_copy copy, TF_Status* status);
  /* variable (input `handle`) = variable (op) input `value`, as AssignAddVariableOp and its like. */
  void (*update)(TF_OpKernelContext* context, int32_t handle, int32_t value, int32_t op, anvil_update update,
                 TF_Status* status);

  /* Calls `use` once with the buffers of the variables at `inputs`, which are resources or references, while nobody
     else may use them.  With ANVIL_CHANGE a buffer that somebody still reads is copied first, so what `use` records may
     write to it; if `use` fails the variable keeps its old buffer.  Outputs that are references get the first variable.
   */
  void (*with_variables)(TF_OpKernelContext* context, const int32_t* inputs, int32_t count, int32_t access,
                         anvil_copy copy, anvil_use use, void* closure, TF_Status* status);

  /* From now on functions marked for XLA run as ordinary ones on devices of this type; other devices keep XLA.
     Returns NULL, or in one sentence why it could not be done.  To be called once, before the first kernel is made. */
  const char* (*decline_xla)(const char* device_type);
  /* Reports ops that were left out, from now on.  To be called once; `watch` must stay valid. */
  const char* (*watch_placements)(const char* device_type, const anvil_placement_watch* watch);

  /* Gives devices of this type a kernel for each op that has one on the CPU, works on variables or is wanted, and has
     no other kernel here that fits: it runs the CPU's kernel on host memory.  These kernels come last: an eager op that
     is free to run on the CPU is still placed there.  Returns how many ops have one.  To be called once, after all
     other kernels are registered. */
  int32_t (*offer_proxies)(const char* device_type, const anvil_proxy_calls* calls);

  /* Registers kernels for devices of this type that work on things that hold tensors: lists of the types that
     TensorFlow's CUDA build has and its own kernels for any device lack, zeros and sums of variants, and TensorArrays.
     To be called once. */
  void (*register_containers)(const char* device_type, const anvil_container_calls* calls);
} anvil_shim_api;

/* The only function that a shim exports. */
const anvil_shim_api* anvil_shim(void);

#ifdef __cplusplus
}
#endif
