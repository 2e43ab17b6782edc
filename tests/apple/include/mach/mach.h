// What metal-cpp needs of Apple's header of this name.
#pragma once
typedef int kern_return_t;
typedef unsigned task_id_token_t;
