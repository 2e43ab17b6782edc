"""Run in a process of its own, since a driver may crash: asks the Vulkan loader for the devices, without the plug-in."""

import ctypes
import ctypes.util
import json

KINDS = {1: "integrated", 2: "discrete", 3: "virtual", 4: "cpu"}


class ApplicationInfo(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("version", ctypes.c_uint32),
        ("engine", ctypes.c_char_p),
        ("engine_version", ctypes.c_uint32),
        ("api", ctypes.c_uint32),
    ]


class InstanceInfo(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.POINTER(ApplicationInfo)),
        ("layer_count", ctypes.c_uint32),
        ("layers", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extensions", ctypes.c_void_p),
    ]


class Properties(ctypes.Structure):
    """The beginning of VkPhysicalDeviceProperties, and more room than its rest takes."""

    _fields_ = [
        ("api", ctypes.c_uint32),
        ("driver", ctypes.c_uint32),
        ("vendor", ctypes.c_uint32),
        ("device", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
        ("name", ctypes.c_char * 256),
        ("rest", ctypes.c_uint64 * 512),
    ]


class Heap(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint64), ("flags", ctypes.c_uint32)]


class MemoryProperties(ctypes.Structure):
    _fields_ = [
        ("type_count", ctypes.c_uint32),
        ("types", ctypes.c_uint32 * 64),
        ("heap_count", ctypes.c_uint32),
        ("heaps", Heap * 16),
    ]


def load():
    try:
        return "libvulkan.so.1", ctypes.CDLL("libvulkan.so.1")
    except OSError:
        return "", None


def main():
    answer = {"loader": "", "problem": "", "devices": []}
    answer["loader"], vulkan = load()
    if vulkan is None:
        return answer
    application = ApplicationInfo(type=0, name=b"tf-anvil doctor", api=(1 << 22) | (2 << 12))  # Vulkan 1.2
    info = InstanceInfo(type=1, application=ctypes.pointer(application))
    instance = ctypes.c_void_p()
    result = vulkan.vkCreateInstance(ctypes.byref(info), None, ctypes.byref(instance))
    if result != 0:
        answer["problem"] = f"vkCreateInstance gives {result}"
        return answer
    count = ctypes.c_uint32()
    result = vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    found = (ctypes.c_void_p * max(count.value, 1))()
    if result == 0 and count.value:
        result = vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), found)
    if result != 0:
        answer["problem"] = f"vkEnumeratePhysicalDevices gives {result}"
    for handle in found[: count.value] if result == 0 else []:
        properties, memory = Properties(), MemoryProperties()
        vulkan.vkGetPhysicalDeviceProperties(ctypes.c_void_p(handle), ctypes.byref(properties))
        vulkan.vkGetPhysicalDeviceMemoryProperties(ctypes.c_void_p(handle), ctypes.byref(memory))
        heaps = [h.size for h in memory.heaps[: memory.heap_count] if h.flags & 1]  # the device's own
        row = {"name": properties.name.decode(errors="replace"), "kind": KINDS.get(properties.kind, "other")}
        answer["devices"].append({**row, "memory": max(heaps, default=0)})
    return answer


print("ANVIL-DOCTOR " + json.dumps(main()))
