"""wgpu (naga to Vulkan) with straightforward WGSL kernels of our own: what simple code reaches on this device."""

from __future__ import annotations

import numpy as np
import wgpu
from rounds import cases
from rounds.worker import serve

ADAPTER = next(a for a in wgpu.gpu.enumerate_adapters_sync() if "Vulkan" in a.summary)
DEVICE = ADAPTER.request_device_sync(
    required_limits={"max-buffer-size": 1 << 28, "max-storage-buffer-binding-size": 1 << 27}
)
USAGE = wgpu.BufferUsage
SIGNAL = DEVICE.create_buffer(size=16, usage=USAGE.COPY_DST | USAGE.MAP_READ)


def upload(a: np.ndarray):
    return DEVICE.create_buffer_with_data(data=a, usage=USAGE.STORAGE | USAGE.COPY_SRC)


def buffer(size: int):
    return DEVICE.create_buffer(size=size, usage=USAGE.STORAGE | USAGE.COPY_SRC)


def fetch(b) -> np.ndarray:
    return np.frombuffer(DEVICE.queue.read_buffer(b), np.float32)


def program(source: str, buffers: list, grid: tuple[int, int, int]):
    """A call that runs the kernel and returns when it is done."""
    module = DEVICE.create_shader_module(code=source)
    pipeline = DEVICE.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": "main"})
    entries = [{"binding": i, "resource": {"buffer": b, "offset": 0, "size": b.size}} for i, b in enumerate(buffers)]
    group = DEVICE.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)

    def call():
        encoder = DEVICE.create_command_encoder()
        compute = encoder.begin_compute_pass()
        compute.set_pipeline(pipeline)
        compute.set_bind_group(0, group)
        compute.dispatch_workgroups(*grid)
        compute.end()
        encoder.copy_buffer_to_buffer(buffers[-1], 0, SIGNAL, 0, 16)
        DEVICE.queue.submit([encoder.finish()])
        SIGNAL.map_sync("READ")  # waits for the device
        SIGNAL.unmap()

    return call


def binding(i: int, kind: str, access: str = "read") -> str:
    return f"@group(0) @binding({i}) var<storage,{access}> b{i}: array<{kind}>;\n"


def gemm(name: str):
    """Eight rows by four columns a thread, in registers."""
    n = cases.MATRICES[name]
    rows = range(8)
    source = (
        binding(0, "f32") + binding(1, "vec4f") + binding(2, "vec4f", "read_write")
        + f"const N={n}u; const M={n // 4}u;\n@compute @workgroup_size(16,1)\n"
        + "fn main(@builtin(global_invocation_id) g: vec3u) {\n  let i = g.y * 8u;\n"
        + "".join(f"  var s{r} = vec4f(0);\n" for r in rows)
        + "  for (var k = 0u; k < N; k++) {\n    let v = b1[k * M + g.x];\n"
        + "".join(f"    s{r} = fma(vec4f(b0[(i + {r}u) * N + k]), v, s{r});\n" for r in rows)
        + "  }\n"
        + "".join(f"  b2[(i + {r}u) * M + g.x] = s{r};\n" for r in rows)
        + "}\n"
    )  # fmt: skip

    def prepare():
        a, b = cases.matrices(name)
        out = buffer(a.nbytes)
        call = program(source, [upload(a), upload(b), out], (n // 64, n // 8, 1))
        return call, lambda: cases.near(fetch(out).reshape(n, n), a @ b, 1e-4)

    return prepare


def add():
    def prepare():
        a, b = cases.vectors()
        out = buffer(a.nbytes)
        source = (
            binding(0, "vec4f") + binding(1, "vec4f") + binding(2, "vec4f", "read_write")
            + "@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) g: vec3u) {\n"
            + "  let i = g.y * 1048576u + g.x; b2[i] = b0[i] + b1[i]; }\n"
        )  # fmt: skip
        call = program(source, [upload(a), upload(b), out], (4096, cases.ELEMENTS // (4 * 1048576), 1))
        return call, lambda: cases.near(fetch(out), a + b, 1e-6)

    return prepare


def main() -> None:
    table = {**{name: gemm(name) for name in cases.MATRICES}, "add16M": add()}
    serve("wgpu", {"wgpu": wgpu.__version__, "device": ADAPTER.summary}, table)


if __name__ == "__main__":
    main()
