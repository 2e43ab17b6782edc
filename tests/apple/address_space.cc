#include "apple/address_space.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>

#include "apple/objc.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#endif

namespace apple {
namespace {

constexpr uint64_t kGap = 1u << 16;  // nothing is mapped for so long behind a buffer
constexpr int kPoison = 0xcd;

uint64_t pages(uint64_t bytes) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

struct Space {
  std::mutex lock;
  struct Row {
    Memory memory;
    int open = 0;  // executions that may touch it now
  };
  std::map<uintptr_t, Row> rows;  // by the GPU's address
};
Space& space() {
  static auto* s = new Space;
  return *s;
}

// One run of kernels on this thread.
struct Execution {
  const std::function<bool(const Memory&)>* resident;
  std::vector<uintptr_t> opened;
  sigjmp_buf out;
  char why[256] = "";
};
thread_local Execution* running = nullptr;

void forbid(const Memory& m) { mprotect(m.gpu, m.mapped, PROT_NONE); }

// Opens the memory that holds `address` to kernels.  False if it may not be touched, with the reason in `why`.
bool open_at(Execution& e, uintptr_t address) {
  Space& s = space();
  std::lock_guard hold(s.lock);
  auto it = s.rows.upper_bound(address);
  if (it == s.rows.begin()) {
    std::snprintf(e.why, sizeof e.why, "a kernel touched %#lx, where no buffer is", address);
    return false;
  }
  auto& [begin, row] = *--it;
  if (address >= begin + row.memory.mapped) {
    std::snprintf(e.why, sizeof e.why, "a kernel touched %#lx, %lu bytes past the end of the nearest buffer", address,
                  address - begin - row.memory.bytes);
    return false;
  }
  if (!(*e.resident)(row.memory)) {
    std::snprintf(e.why, sizeof e.why, "a kernel touched %#lx in a buffer that is not resident", address);
    return false;
  }
  e.opened.push_back(begin);
  if (row.open++ == 0) mprotect(row.memory.gpu, row.memory.mapped, PROT_READ | PROT_WRITE);
  return true;
}

void close_all(const Execution& e) {
  Space& s = space();
  std::lock_guard hold(s.lock);
  for (const uintptr_t begin : e.opened)
    if (const auto it = s.rows.find(begin); it != s.rows.end() && --it->second.open == 0) forbid(it->second.memory);
}

void on_fault(int signal, siginfo_t* info, void*) {
  Execution* e = running;
  if (!e) {  // not a kernel's: die as usual
    ::signal(signal, SIG_DFL);
    return;
  }
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (!open_at(*e, address)) siglongjmp(e->out, 1);
}

void watch_for_faults() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
  });
}

}  // namespace

Memory map_memory(uint64_t bytes) {
  Memory m;
  const int file = memfd_create("MTLBuffer", MFD_CLOEXEC);
  if (file < 0) return m;
  m.bytes = bytes;
  m.mapped = pages(bytes);
  void* reserved = MAP_FAILED;
  void* cpu = MAP_FAILED;
  if (ftruncate(file, static_cast<off_t>(m.mapped)) == 0) {
    reserved = mmap(nullptr, m.mapped + kGap, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cpu = mmap(nullptr, m.mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  if (reserved != MAP_FAILED && cpu != MAP_FAILED) {
    m.cpu = static_cast<std::byte*>(cpu);
    m.gpu = static_cast<std::byte*>(mmap(reserved, m.mapped, PROT_NONE, MAP_SHARED | MAP_FIXED, file, 0));
    std::memset(m.cpu, kPoison, m.mapped);
    ASAN_POISON_MEMORY_REGION(m.gpu + m.bytes, m.mapped - m.bytes);
    std::lock_guard hold(space().lock);
    space().rows[reinterpret_cast<uintptr_t>(m.gpu)] = {m};
  }
  close(file);
  return m;
}

void unmap_memory(const Memory& m) {
  {
    std::lock_guard hold(space().lock);
    space().rows.erase(reinterpret_cast<uintptr_t>(m.gpu));
  }
  munmap(m.cpu, m.mapped);
  ASAN_UNPOISON_MEMORY_REGION(m.gpu, m.mapped);
  // The addresses stay taken: a kernel that still uses them must not find another buffer there.
  mmap(m.gpu, m.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

bool is_cpu_address(uint64_t address) {
  std::lock_guard hold(space().lock);
  for (const auto& [gpu, row] : space().rows) {
    const auto begin = reinterpret_cast<uintptr_t>(row.memory.cpu);
    if (address >= begin && address < begin + row.memory.mapped) return true;
  }
  return false;
}

bool run_guarded(const std::function<bool(const Memory&)>& resident, const std::function<void()>& code,
                 std::string& why) {
  watch_for_faults();
  Execution e;
  e.resident = &resident;
  running = &e;
  const bool faulted = sigsetjmp(e.out, 0) != 0;
  if (!faulted) code();
  running = nullptr;
  close_all(e);
  if (faulted) why = e.why;
  return !faulted;
}

}  // namespace apple
