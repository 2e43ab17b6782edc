// Compiles every kernel variant that the op catalogue lists to SPIR-V and MSL and writes the kernel pack.
//
//   build_kernels --kernels DIR --cache DIR --out FILE [--list FILE] [--jobs N]
//   build_kernels --print-variants | --print-ops
//
// One entry point a module (together, Metal numbers buffers on and every kernel declares all group-shared arrays).  A
// variant is compiled again only if its module, a module that it imports, the compiler or this builder changed: its
// result is kept in the cache folder under a hash of all of these.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "ops/op.h"
#include "slang_compiler.h"
#include "write_pack.h"

namespace fs = std::filesystem;
using anvil::Code;
using anvil::require;

namespace {

constexpr int kBuilderVersion = 6;  // raise when the options or the cached form change

struct Arguments {
  fs::path kernels, cache, out, list;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  bool print_variants = false, print_ops = false;
};

unsigned count_from(std::string_view text) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), n);
  require(error == std::errc() && end == text.end() && n > 0, Code::invalid_argument, text, " is no number of jobs");
  return n;
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--print-variants") {
      a.print_variants = true;
      continue;
    }
    if (flag == "--print-ops") {
      a.print_ops = true;
      continue;
    }
    require(i + 1 < argc, Code::invalid_argument, flag, " needs a value");
    const char* value = argv[++i];
    if (flag == "--kernels") a.kernels = value;
    else if (flag == "--cache") a.cache = value;
    else if (flag == "--out") a.out = value;
    else if (flag == "--list") a.list = value;
    else if (flag == "--jobs") a.jobs = count_from(value);
    else anvil::fail(Code::invalid_argument, "unknown option ", flag);
  }
  return a;
}

std::string read_file(const fs::path& p) {
  std::ifstream in(p, std::ios::binary);
  require(in.good(), Code::invalid_argument, "cannot read ", p);
  return {std::istreambuf_iterator<char>(in), {}};
}

// FNV-1a, 64 bits: names cache files, nothing more.
uint64_t hash(const std::string& s, uint64_t h = 14695981039346656037ull) {
  for (const unsigned char c : s) h = (h ^ c) * 1099511628211ull;
  return h;
}

// The text of a module and of all it imports, in a fixed order.
class Sources {
 public:
  explicit Sources(fs::path folder) : folder_(std::move(folder)) {}
  uint64_t fingerprint(const std::string& module) {
    std::set<std::string> closure;
    collect(module, closure);
    uint64_t h = hash("");
    for (const auto& m : closure) h = hash(text(m), hash(m, h));
    return h;
  }

 private:
  const std::string& text(const std::string& module) {
    auto [it, fresh] = texts_.try_emplace(module);
    if (fresh) it->second = read_file(folder_ / (module + ".slang"));
    return it->second;
  }
  void collect(const std::string& module, std::set<std::string>& seen) {
    if (!seen.insert(module).second) return;
    std::istringstream lines(text(module));
    for (std::string line; std::getline(lines, line);)
      for (const char* word : {"import ", "__exported import "})
        if (line.starts_with(word)) {
          const size_t from = std::string(word).size();
          collect(line.substr(from, line.find(';') - from), seen);
        }
  }
  fs::path folder_;
  std::map<std::string, std::string> texts_;
};

struct Job {
  std::string name;  // "module/entry"
  fs::path cached;
};

std::vector<std::string> variant_names(const Arguments& a) {
  if (a.list.empty()) return anvil::ops::all_variants();
  std::istringstream lines(read_file(a.list));
  std::set<std::string> names;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line[0] != '#') names.insert(line);
  return {names.begin(), names.end()};
}

// Builds of several folders may share a cache: the second waits and finds the first one's results.
class CacheLock {
 public:
  explicit CacheLock(const fs::path& folder)
      : fd_(open((folder / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    require(fd_ >= 0 && flock(fd_, LOCK_EX) == 0, Code::internal, "cannot lock ", folder.string());
  }
  ~CacheLock() { close(fd_); }
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

 private:
  int fd_;
};

// Compiles the jobs on all threads; a thread takes a run of jobs of one module at a time, since loading and checking a
// module costs as much as several variants.
void compile_all(const std::vector<Job>& jobs, const Arguments& a) {
  constexpr size_t kRun = 24;
  std::atomic<size_t> next{0}, done{0};
  std::mutex lock;
  std::exception_ptr failure;
  std::vector<std::string> problems;
  const auto work = [&] {
    try {
      anvil::SlangCompiler compiler(a.kernels);
      for (size_t begin; (begin = next.fetch_add(kRun)) < jobs.size();) {
        compiler.new_session();
        for (size_t i = begin; i < std::min(jobs.size(), begin + kRun); ++i) try {
            anvil::save(compiler.compile(jobs[i].name), jobs[i].cached);
            if (++done % 100 == 0) std::fprintf(stderr, "kernels: %zu of %zu\n", done.load(), jobs.size());
          } catch (const anvil::Error& e) {
            std::lock_guard hold(lock);
            problems.push_back(jobs[i].name + ": " + e.what());
          }
      }
    } catch (...) {
      std::lock_guard hold(lock);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < a.jobs; ++t) threads.emplace_back(work);
  for (auto& t : threads) t.join();
  if (failure) std::rethrow_exception(failure);
  for (const auto& p : problems) std::fprintf(stderr, "%s\n", p.c_str());
  require(problems.empty(), Code::internal, problems.size(), " of ", jobs.size(), " kernels did not compile");
}

void build(const Arguments& a) {
  require(!a.kernels.empty() && !a.cache.empty() && !a.out.empty(), Code::invalid_argument,
          "--kernels, --cache and --out are needed");
  fs::create_directories(a.cache);
  const CacheLock lock(a.cache);
  Sources sources(a.kernels);
  std::map<std::string, uint64_t> module_hash;
  std::vector<Job> all, stale;
  for (const std::string& name : variant_names(a)) {
    const size_t slash = name.find('/');
    require(slash != std::string::npos, Code::invalid_argument, "kernel name ", name, " is not module/entry");
    const std::string module = name.substr(0, slash);
    if (!module_hash.contains(module)) module_hash[module] = sources.fingerprint(module);
    const uint64_t key =
        hash(anvil::str(name, '|', kBuilderVersion, '|', anvil::SlangCompiler::version()), module_hash[module]);
    char file[32];
    std::snprintf(file, sizeof file, "%016llx.kernel", static_cast<unsigned long long>(key));
    all.push_back({name, a.cache / file});
    if (!fs::exists(all.back().cached)) stale.push_back(all.back());
  }
  compile_all(stale, a);
  std::vector<anvil::CompiledKernel> kernels;
  for (const Job& j : all) kernels.push_back(anvil::load_compiled(j.name, j.cached));
  const uint64_t bytes = anvil::write_pack(kernels, a.out);
  std::fprintf(stderr, "kernels: %zu variants, %zu compiled now, %.2f MB\n", all.size(), stale.size(), bytes / 1e6);
}

void print_ops() {
  for (const auto& row : anvil::ops::catalogue()) {
    std::cout << row.name;
    for (const auto t : row.types) std::cout << ' ' << anvil::facts(t).tensorflow;
    std::cout << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const Arguments a = parse(argc, argv);
  if (a.print_ops) print_ops();
  else if (a.print_variants)
    for (const auto& n : variant_names(a)) std::cout << n << '\n';
  else build(a);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "build_kernels: %s\n", e.what());
  return 1;
}
