// The runtime of C blocks, as far as clang's code for them needs it: the layout is the published Block ABI.
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "apple/objc.h"

namespace {

enum Flags : int { kRefCounts = 0xffff, kNeedsFree = 1 << 24, kHasHelpers = 1 << 25, kGlobal = 1 << 28 };
enum Field : int { kObject = 3, kBlock = 7, kByReference = 8 };

struct Descriptor {
  unsigned long reserved, size;
  void (*copy)(void* to, const void* from);
  void (*destroy)(const void* block);
};
struct Block {
  void* isa;
  std::atomic<int> flags;
  int reserved;
  void* code;
  Descriptor* descriptor;
};

// A __block variable: lives on the stack until the first block that uses it is copied.
struct Shared {
  void* isa;
  Shared* now;  // where it lives
  int flags;
  int size;
  void (*keep)(Shared* to, Shared* from);
  void (*destroy)(Shared*);
};

Shared* keep_shared(Shared* from) {
  if (from->now->flags & kNeedsFree) {
    ++from->now->flags;
    return from->now;
  }
  auto* to = static_cast<Shared*>(std::malloc(static_cast<size_t>(from->size)));
  std::memcpy(static_cast<void*>(to), from, static_cast<size_t>(from->size));
  to->flags = (from->flags & ~kRefCounts) | kNeedsFree | 2;  // the block's, and the stack's until it leaves the scope
  to->now = from->now = to;
  if (to->flags & kHasHelpers) to->keep(to, from);
  return to;
}

void release_shared(Shared* any) {
  Shared* s = any->now;
  if (!(s->flags & kNeedsFree) || (--s->flags & kRefCounts) != 0) return;
  if (s->flags & kHasHelpers) s->destroy(s);
  std::free(s);
}

}  // namespace

extern "C" {

void* _NSConcreteStackBlock[32];
void* _NSConcreteGlobalBlock[32];
static void* heap_block[32];

void* _Block_copy(const void* block) {
  auto* from = static_cast<Block*>(const_cast<void*>(block));
  if (!from || from->flags & kGlobal) return from;
  if (from->flags & kNeedsFree) {
    ++from->flags;
    return from;
  }
  auto* to = static_cast<Block*>(std::malloc(from->descriptor->size));
  std::memcpy(static_cast<void*>(to), from, from->descriptor->size);
  to->isa = heap_block;
  to->flags = (to->flags & ~kRefCounts) | kNeedsFree | 1;
  if (to->flags & kHasHelpers) to->descriptor->copy(to, from);
  return to;
}

void _Block_release(const void* block) {
  auto* b = static_cast<Block*>(const_cast<void*>(block));
  if (!b || b->flags & kGlobal || !(b->flags & kNeedsFree)) return;
  if ((--b->flags & kRefCounts) != 0) return;
  if (b->flags & kHasHelpers) b->descriptor->destroy(b);
  std::free(b);
}

void _Block_object_assign(void* to, const void* object, int kind) {
  const void* kept = object;
  if (kind == kBlock) kept = _Block_copy(object);
  else if (kind == kObject) apple::retain(static_cast<id>(const_cast<void*>(object)));
  else if (kind == kByReference) kept = keep_shared(static_cast<Shared*>(const_cast<void*>(object)));
  else apple::misuse("a block holds something of an unknown kind");
  std::memcpy(to, &kept, sizeof kept);
}

void _Block_object_dispose(const void* object, int kind) {
  if (kind == kBlock) _Block_release(object);
  else if (kind == kObject) apple::release(static_cast<id>(const_cast<void*>(object)));
  else if (kind == kByReference) release_shared(static_cast<Shared*>(const_cast<void*>(object)));
}

}  // extern "C"

namespace apple {

void* copy_block(const void* block) { return _Block_copy(block); }
void release_block(const void* block) { _Block_release(block); }

}  // namespace apple
