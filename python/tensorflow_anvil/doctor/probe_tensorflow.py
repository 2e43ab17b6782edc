"""Run in a process of its own: imports TensorFlow and says what it sees.

What goes wrong here, goes wrong in the user's programs: so the working folder is where modules are looked for first,
as it is for them, and the error is left to Python to print.
"""

import json


def answer() -> dict:
    import tensorflow as tf

    return {"version": tf.__version__, "gpus": len(tf.config.list_physical_devices("GPU"))}


print("ANVIL-DOCTOR " + json.dumps(answer()))
