#include <algorithm>
#include <cstring>
#include <string>

#include "base/counters.h"
#include "base/log.h"
#include "base/options.h"
#include "capi/anvil.h"
#include "ops/op.h"
#include "tf/device.h"
#include "tf/driver.h"
#include "tf/installation.h"

namespace anvil {
namespace {

// The one catch of this interface.
template <class Body>
anvil_result guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const Error& error) {
    log(LogKind::error, error.what());
    return error.code == Code::invalid_argument ? ANVIL_INVALID_ARGUMENT : ANVIL_INTERNAL;
  } catch (const std::exception& error) {
    log(LogKind::error, error.what());
    return ANVIL_INTERNAL;
  }
}

anvil_result give(const std::string& text, char* buffer, size_t size, size_t* length) {
  if (!length || (!buffer && size > 0)) return ANVIL_INVALID_ARGUMENT;
  *length = text.size();
  if (size > 0) {
    const size_t n = std::min(size - 1, text.size());
    std::memcpy(buffer, text.data(), n);
    buffer[n] = '\0';
  }
  return ANVIL_OK;
}

// Writes as much of `full` as the caller's struct has room for; its own size field stays.
template <class Struct>
anvil_result give_struct(Struct full, Struct* out) {
  const uint32_t room = out->size;
  if (room < sizeof(uint32_t)) return ANVIL_INVALID_ARGUMENT;
  full.size = room;
  std::memcpy(out, &full, std::min<size_t>(room, sizeof(Struct)));
  return ANVIL_OK;
}

template <size_t N>
void write_text(char (&field)[N], const std::string& text) {
  const size_t n = std::min(N - 1, text.size());
  std::memcpy(field, text.data(), n);
  field[n] = '\0';
}

const char* kind_name(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::discrete: return "discrete";
    case DeviceKind::integrated: return "integrated";
    case DeviceKind::virtual_gpu: return "virtual";
    case DeviceKind::cpu: return "cpu";
  }
  return "";
}

anvil_device_info describe(Device& device) {
  const Caps& caps = device.caps();
  anvil_device_info info{};
  write_text(info.name, caps.name);
  write_text(info.driver, caps.driver);
  write_text(info.uuid, caps.uuid);
  write_text(info.kind, kind_name(caps.kind));
  info.subgroup = caps.subgroup;
  info.max_group = caps.max_group;
  info.group_memory = caps.group_memory;
  info.cores = caps.cores;
  info.f16 = caps.f16;
  info.f64 = caps.f64;
  info.matrix_f16 = caps.matrix_f16;
  info.atomic_f32_add = caps.atomic_f32_add;
  info.unified = caps.unified;
  info.memory = caps.memory;
  info.max_allocation = caps.max_allocation;
  info.memory_free = device.memory().free;
  return info;
}

struct Found {
  std::vector<anvil_device_info> devices;
  std::string why;  // there are none
};

// Before TensorFlow asks, devices are opened and closed again: nothing is prepared in a TensorFlow that may never come.
Found find_devices() {
  Found found;
  if (tf::gpus_were_opened()) {
    for (const auto& gpu : tf::gpus()) found.devices.push_back(describe(*gpu->device));
    found.why = tf::no_gpu_reason();
  } else if (options().device == "none") {
    found.why = "ANVIL_DEVICE=none";
  } else if (std::string obstacle = tf::obstacle(); !obstacle.empty()) {
    found.why = std::move(obstacle);
  } else {
    for (const auto& device : open_devices(found.why)) found.devices.push_back(describe(*device));
  }
  if (!found.devices.empty()) found.why.clear();
  return found;
}

std::string describe(const ops::OpSpec& op) {
  std::string line = op.name;
  const auto column = [&](const char* attr, const std::vector<DType>& types) {
    line += str("\t", attr, "=");
    for (size_t i = 0; i < types.size(); ++i) line += str(i ? "," : "", facts(types[i]).tensorflow);
  };
  if (!op.types.empty()) column(op.type_attr, op.types);
  for (const ops::TypeAxis& axis : op.more) column(axis.attr, axis.types);
  return line + "\n";
}

// A line "<name>\t<count>\n" for each name of the family.
std::string counts_of(const char* family) {
  std::string text;
  for (const auto& [name, n] : named(family)) text += str(name, "\t", n, "\n");
  return text;
}

}  // namespace
}  // namespace anvil

using namespace anvil;

#define ANVIL_EXPORT extern "C" [[gnu::visibility("default")]]

ANVIL_EXPORT uint32_t anvil_api_version(void) { return 2; }
ANVIL_EXPORT const char* anvil_version(void) { return ANVIL_VERSION; }

ANVIL_EXPORT anvil_result anvil_device_count(int32_t* count) {
  return guarded([&] {
    if (!count) return ANVIL_INVALID_ARGUMENT;
    *count = static_cast<int32_t>(find_devices().devices.size());
    return ANVIL_OK;
  });
}

ANVIL_EXPORT anvil_result anvil_device(int32_t index, anvil_device_info* info) {
  return guarded([&] {
    if (!info) return ANVIL_INVALID_ARGUMENT;
    const Found found = find_devices();
    if (index < 0 || static_cast<size_t>(index) >= found.devices.size()) return ANVIL_INVALID_ARGUMENT;
    return give_struct(found.devices[static_cast<size_t>(index)], info);
  });
}

ANVIL_EXPORT anvil_result anvil_no_device_reason(char* buffer, size_t size, size_t* length) {
  return guarded([&] { return give(find_devices().why, buffer, size, length); });
}

ANVIL_EXPORT int32_t anvil_counter_count(void) { return static_cast<int32_t>(Counter::count_); }

ANVIL_EXPORT anvil_result anvil_counter(int32_t index, anvil_counter_info* info) {
  return guarded([&] {
    if (!info || index < 0 || index >= anvil_counter_count()) return ANVIL_INVALID_ARGUMENT;
    const auto counter = static_cast<Counter>(index);
    return give_struct(anvil_counter_info{0, facts(counter).gauge, facts(counter).name, value(counter)}, info);
  });
}

ANVIL_EXPORT anvil_result anvil_reset_counters(void) {
  return guarded([] {
    reset_counters();
    return ANVIL_OK;
  });
}

ANVIL_EXPORT anvil_result anvil_fallbacks(char* buffer, size_t size, size_t* length) {
  return guarded([&] { return give(counts_of("fallback"), buffer, size, length); });
}

ANVIL_EXPORT anvil_result anvil_cpu_ops(char* buffer, size_t size, size_t* length) {
  return guarded([&] { return give(counts_of("cpu_op"), buffer, size, length); });
}

ANVIL_EXPORT anvil_result anvil_proxies(char* buffer, size_t size, size_t* length) {
  return guarded([&] { return give(counts_of("proxy"), buffer, size, length); });
}

ANVIL_EXPORT anvil_result anvil_log(const char* kind, char* buffer, size_t size, size_t* length) {
  return guarded([&] {
    const std::string name = kind ? kind : "";
    if (name != "plan" && name != "fallback") return ANVIL_INVALID_ARGUMENT;
    std::string text;
    for (const auto& line : recent_log(name == "plan" ? LogKind::plan : LogKind::fallback)) text += line + "\n";
    return give(text, buffer, size, length);
  });
}

ANVIL_EXPORT anvil_result anvil_ops(char* buffer, size_t size, size_t* length) {
  return guarded([&] {
    std::string text;
    for (const auto& op : ops::catalogue()) text += describe(op);
    return give(text, buffer, size, length);
  });
}

ANVIL_EXPORT anvil_result anvil_options(char* buffer, size_t size, size_t* length) {
  return guarded([&] {
    std::string text;
    for (const auto& row : option_table()) text += str(row.name, "\t", row.value, "\t", row.meaning, "\n");
    return give(text, buffer, size, length);
  });
}
