// The part of CUDA that the kernels use, on the CPU: blocks one after the other, the threads of a block as fibers.
//
// A fiber runs until it waits: for its warp (ldmatrix, mma, shuffle, ballot) or for its block (__syncthreads). A warp runs as far
// as it can before the next one starts, in ascending or descending order, so that a missing barrier shows as a difference between the
// two orders or from the truth. Shared memory starts as not-a-number and is guarded at its end; asynchronous copies happen when they
// are waited for and not before.
#pragma once
#define EMULATED 1

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

using std::max;
using std::min;

struct Dim { unsigned x = 1, y = 1, z = 1; };
extern Dim threadIdx, blockIdx, blockDim, gridDim;

#define DEVICE static inline
#define DEVICE_MEMBER inline
#define KERNEL(threads) static void
#define DYNAMIC_SHARED(name) unsigned char* name = emulator::shared_memory()

namespace emulator {
unsigned char* shared_memory();
// Every lane of a warp gives 16 bytes-sized words and sees those of all lanes.
struct Lane { std::uint32_t words[8]; const void* address; };
const Lane* with_warp(const Lane& mine);
void with_block();
bool any_of_block(bool mine);
void copy_later(void* to, const void* from, bool valid);
void copy_now();
}  // namespace emulator

static inline std::uint32_t bits_of(float x) { std::uint32_t b; std::memcpy(&b, &x, 4); return b; }
static inline float __int_as_float(std::uint32_t b) { float x; std::memcpy(&x, &b, 4); return x; }
static inline int __float_as_int(float x) { return static_cast<int>(bits_of(x)); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int atomicAdd(int* at, int value) { const int old = *at; *at += value; return old; }
static inline void __syncthreads() { emulator::with_block(); }
static inline int __syncthreads_or(int mine) { return emulator::any_of_block(mine != 0); }

static inline float __shfl_xor_sync(unsigned, float x, int mask) {
  const emulator::Lane* lanes = emulator::with_warp({{bits_of(x)}, nullptr});
  return __int_as_float(lanes[(threadIdx.x % 32) ^ mask].words[0]);
}
static inline unsigned __ballot_sync(unsigned, bool yes) {
  const emulator::Lane* lanes = emulator::with_warp({{yes}, nullptr});
  unsigned votes = 0;
  for (int l = 0; l < 32; l++) votes |= lanes[l].words[0] << l;
  return votes;
}

static inline float wide(std::uint32_t half) { return __int_as_float(half << 16); }
static inline std::uint32_t number(const void* row, int i) { std::uint16_t x; std::memcpy(&x, static_cast<const char*>(row) + 2 * i, 2); return x; }

static inline void load_matrices(std::uint32_t (&r)[4], const unsigned short* row) {
  const int lane = threadIdx.x % 32;
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) std::fputs("ldmatrix: a row is not aligned\n", stderr), std::abort();
  const emulator::Lane* lanes = emulator::with_warp({{}, row});
  for (int i = 0; i < 4; i++) {
    const void* from = lanes[8 * i + lane / 4].address;
    r[i] = number(from, 2 * (lane % 4)) | number(from, 2 * (lane % 4) + 1) << 16;
  }
}
static inline void load_matrices_turned(std::uint32_t (&r)[4], const unsigned short* row) {
  const int lane = threadIdx.x % 32;
  const emulator::Lane* lanes = emulator::with_warp({{}, row});
  for (int i = 0; i < 4; i++)
    r[i] = number(lanes[8 * i + 2 * (lane % 4)].address, lane / 4) | number(lanes[8 * i + 2 * (lane % 4) + 1].address, lane / 4) << 16;
}
static inline void load_two_turned(std::uint32_t (&r)[2], const unsigned short* row) {
  const int lane = threadIdx.x % 32;
  const emulator::Lane* lanes = emulator::with_warp({{}, row});
  for (int i = 0; i < 2; i++)
    r[i] = number(lanes[8 * i + 2 * (lane % 4)].address, lane / 4) | number(lanes[8 * i + 2 * (lane % 4) + 1].address, lane / 4) << 16;
}
static inline void multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const emulator::Lane* lanes = emulator::with_warp({{a[0], a[1], a[2], a[3], b0, b1}, nullptr});
  for (int e = 0; e < 4; e++) {
    const int row = g + 8 * (e / 2), column = 2 * t + e % 2;
    for (int k = 0; k < 16; k++) {
      // a: lane 4 (row % 8) + (k % 8) / 2, register row / 8 + 2 (k / 8); b: lane 4 column + (k % 8) / 2, register k / 8.
      const std::uint32_t left = lanes[4 * (row % 8) + k % 8 / 2].words[row / 8 + 2 * (k / 8)] >> 16 * (k % 2) & 0xffff;
      const std::uint32_t right = lanes[4 * column + k % 8 / 2].words[4 + k / 8] >> 16 * (k % 2) & 0xffff;
      c[e] += wide(left) * wide(right);
    }
  }
}
static inline void copy_async(void* to, const void* from, bool valid) {
  if (reinterpret_cast<std::uintptr_t>(to) % 16 != 0 || (valid && reinterpret_cast<std::uintptr_t>(from) % 16 != 0))
    std::fputs("cp.async: an address is not aligned\n", stderr), std::abort();
  emulator::copy_later(to, from, valid);
}
static inline void wait_copies() { emulator::copy_now(); }
static inline std::uint32_t rounded(float x) {
  const std::uint32_t b = bits_of(x);
  if (x != x) return 0x7fff;
  return (b + 0x7fff + (b >> 16 & 1)) >> 16;
}
static inline std::uint32_t pack(float low, float high) { return rounded(low) | rounded(high) << 16; }
static inline float power_of_two(float x) { return std::exp2(x); }
