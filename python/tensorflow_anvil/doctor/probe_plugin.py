"""Run in a process of its own: loads the plug-in as `tf-anvil devices` does, and says what it offers."""

import json

import tensorflow_anvil
from tensorflow_anvil import _native

answer = {"loaded": False, "problem": "", "devices": [], "memory": 0, "reason": ""}
try:
    _native.library()
    answer["loaded"] = True
except _native.Unavailable as error:
    answer["problem"] = str(error)
if answer["loaded"]:
    devices = tensorflow_anvil.devices()
    answer["devices"] = [device["name"] for device in devices]
    answer["memory"] = max((device["memory"] for device in devices), default=0)
    answer["reason"] = "" if devices else tensorflow_anvil.why_no_device()
print("ANVIL-DOCTOR " + json.dumps(answer))
