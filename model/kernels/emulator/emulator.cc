// The fibers behind cuda.h, and the door for the test: `emulate` runs one kernel of the file this program was compiled with (KERNEL_FILE).
#include "cuda.h"
#include KERNEL_FILE

Dim threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {
namespace {
constexpr std::size_t STACK_BYTES = 64 << 10, GUARD_BYTES = 4096;
enum class Wait { nothing, warp, block, over };
struct Copy { void* to; const void* from; bool valid; };
struct Fiber {
  std::vector<char> stack = std::vector<char>(STACK_BYTES);
  ucontext_t first;
  jmp_buf at;
  bool begun = false, yes = false;
  Wait wait = Wait::nothing;
  unsigned rounds = 0;
  std::vector<Copy> copies;
};
struct Warp { Lane lanes[2][32]; unsigned arrived = 0; };

std::vector<Fiber> fibers;
std::vector<Warp> warps;
std::vector<unsigned char> memory;
unsigned char* aligned;
jmp_buf scheduler;
unsigned current;
std::function<void()> body;

void fail(const char* what) { std::fprintf(stderr, "emulator: %s\n", what); std::abort(); }

void leave(Wait wait) {
  fibers[current].wait = wait;
  if (!_setjmp(fibers[current].at)) _longjmp(scheduler, 1);
}

void enter() {
  body();
  fibers[current].wait = Wait::over;
  _longjmp(scheduler, 1);
}

void resume(unsigned thread) {
  current = thread;
  threadIdx.x = thread;
  Fiber& fiber = fibers[thread];
  fiber.wait = Wait::nothing;
  if (_setjmp(scheduler)) return;
  if (fiber.begun) _longjmp(fiber.at, 1);
  fiber.begun = true;
  getcontext(&fiber.first);
  fiber.first.uc_stack = {};
  fiber.first.uc_stack.ss_sp = fiber.stack.data();
  fiber.first.uc_stack.ss_size = fiber.stack.size();
  fiber.first.uc_link = nullptr;
  makecontext(&fiber.first, enter, 0);
  setcontext(&fiber.first);
}

void run_block(bool descending) {
  const unsigned threads = blockDim.x, count = threads / 32;
  for (Fiber& fiber : fibers) fiber.begun = false, fiber.wait = Wait::nothing, fiber.rounds = 0, fiber.copies.clear();
  for (Warp& warp : warps) warp.arrived = 0;
  for (;;) {
    for (unsigned w = 0; w < count; w++) {
      const unsigned warp = descending ? count - 1 - w : w;
      // Lanes in turn, until all of them wait for the block.
      for (bool moved = true; moved;) {
        moved = false;
        for (unsigned l = 0; l < 32; l++) {
          const unsigned thread = warp * 32 + (descending ? 31 - l : l);
          if (fibers[thread].wait == Wait::nothing || (fibers[thread].wait == Wait::warp && warps[warp].arrived / 32 > fibers[thread].rounds)) {
            resume(thread);
            moved = true;
          }
        }
      }
    }
    unsigned over = 0, waiting = 0;
    for (const Fiber& fiber : fibers) over += fiber.wait == Wait::over, waiting += fiber.wait == Wait::block;
    if (over == threads) return;
    if (waiting != threads) fail("some threads wait at a barrier that others do not reach");
    for (Fiber& fiber : fibers) fiber.wait = Wait::nothing;
  }
}
}  // namespace

unsigned char* shared_memory() { return aligned; }

const Lane* with_warp(const Lane& mine) {
  Fiber& fiber = fibers[current];
  Warp& warp = warps[current / 32];
  const unsigned round = fiber.rounds;
  warp.lanes[round % 2][current % 32] = mine;
  warp.arrived++;
  if (warp.arrived < (round + 1) * 32) {
    leave(Wait::warp);
  }
  fibers[current].rounds++;
  return warps[current / 32].lanes[round % 2];
}

void with_block() { leave(Wait::block); }

bool any_of_block(bool mine) {
  fibers[current].yes = mine;
  with_block();
  bool found = false;
  for (const Fiber& fiber : fibers) found |= fiber.yes;
  with_block();
  return found;
}

void copy_later(void* to, const void* from, bool valid) { fibers[current].copies.push_back({to, from, valid}); }

void copy_now() {
  for (const Copy& copy : fibers[current].copies) copy.valid ? std::memcpy(copy.to, copy.from, 16) : std::memset(copy.to, 0, 16);
  fibers[current].copies.clear();
}

template <class... A, std::size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<A*>(arguments[I])...);
}

template <class... A>
std::function<void(void**)> door(void (*kernel)(A...)) {
  return [kernel](void** arguments) { call(kernel, arguments, std::index_sequence_for<A...>()); };
}
}  // namespace emulator

// Nonzero if there is no such kernel or it wrote beyond its shared memory.
extern "C" int emulate(const char* name, const unsigned* grid, unsigned threads, unsigned shared_bytes, void** arguments, int descending) {
  using namespace emulator;
  const std::map<std::string, std::function<void(void**)>> kernels = {
#define ENTRY(kernel) {#kernel, door(kernel)},
      KERNELS(ENTRY)
#undef ENTRY
  };
  const auto found = kernels.find(name);
  if (found == kernels.end() || threads % 32 != 0) return 1;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {threads, 1, 1};
  if (fibers.size() != threads) fibers = std::vector<Fiber>(threads);
  warps = std::vector<Warp>(threads / 32);
  memory.resize(shared_bytes + GUARD_BYTES + 128);
  aligned = memory.data() + (128 - reinterpret_cast<std::uintptr_t>(memory.data()) % 128) % 128;
  body = [&] { found->second(arguments); };
  int status = 0;
  for (unsigned z = 0; z < grid[2]; z++)
    for (unsigned y = 0; y < grid[1]; y++)
      for (unsigned x = 0; x < grid[0]; x++) {
        blockIdx = {x, y, z};
        std::memset(aligned, 0xff, shared_bytes);
        std::memset(aligned + shared_bytes, 0xa5, GUARD_BYTES);
        run_block(descending != 0);
        for (std::size_t i = 0; i < GUARD_BYTES; i++) status |= aligned[shared_bytes + i] == 0xa5 ? 0 : 2;
      }
  return status;
}
