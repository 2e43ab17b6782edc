// The tables of functions that TensorFlow asks for when it loads the plug-in.
#pragma once
#include "tensorflow/c/experimental/stream_executor/stream_executor.h"

namespace anvil::tf {

void fill_stream_executor(SP_StreamExecutor& executor);
void fill_timer_functions(SP_TimerFns& timers);

}  // namespace anvil::tf
