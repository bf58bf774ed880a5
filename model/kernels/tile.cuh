// What all kernels share: tensor-core products of 16 x 8 x 16 bfloat16 tiles, shared-memory tiles that are free of bank
// conflicts, and asynchronous copies.
//
// The same text compiles in two ways. NVRTC makes machine code of it; with EMULATED defined a C++ compiler makes a program of it
// that runs on the CPU (emulator/), where the functions below are replaced by ones that do what the instructions do, lane by lane.
// No header of CUDA is needed: bfloat16 numbers are their 16 bits.
#pragma once

typedef unsigned char u8;
typedef unsigned short bf16;
typedef unsigned int u32;

// Threads of a block, in every kernel but top_k: eight warps.
#define THREADS 256
// Heads, and keys, that a block works on at a time.
#define TILE 64

#define INFINITE __int_as_float(0x7f800000)
#define LOG2_E 1.4426950408889634f
#define LN_2 0.6931471805599453f

#ifndef EMULATED

#define DEVICE static __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads, 1)
#define DYNAMIC_SHARED(name) extern __shared__ __align__(128) u8 name[]

DEVICE u32 shared_address(const void* p) { return static_cast<u32>(__cvta_generic_to_shared(p)); }

// Four 8 x 8 matrices of 16-bit numbers: lanes 8 i .. 8 i + 7 name the rows of matrix i. Lane l gets numbers 2 (l % 4) and
// 2 (l % 4) + 1 of row l / 4 of each.
DEVICE void load_matrices(u32 (&r)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}

// The same, of the transposed matrices.
DEVICE void load_matrices_turned(u32 (&r)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}

// Two transposed matrices; lanes 0 .. 15 name the rows.
DEVICE void load_two_turned(u32 (&r)[2], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
}

// c += a b for a [16, 16], b [16, 8], c [16, 8] of float32. With g = lane / 4 and t = lane % 4 a lane holds
//   a: rows g, g + 8, g, g + 8 at columns 2 t, 2 t, 2 t + 8, 2 t + 8, two numbers each;
//   b: rows 2 t and 2 t + 8, two numbers each, of column g;   c: rows g, g, g + 8, g + 8 at columns 2 t, 2 t + 1 in turn.
DEVICE void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Copy 16 bytes to shared memory, or write zeros where `valid` is false; `from` is not read then.
DEVICE void copy_async(void* to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid ? 16 : 0) : "memory");
}

// Wait for all copies this thread has begun.
DEVICE void wait_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Two numbers rounded to bfloat16, to the nearest, ties to even; `low` in the low half.
DEVICE u32 pack(float low, float high) {
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

DEVICE float power_of_two(float x) {
  float y;
  asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#endif

// An e4m3 number; its not-a-number reads as 480.
DEVICE float from_e4m3(u32 byte) {
  const float magnitude = __int_as_float((byte & 0x7f) << 20) * 0x1p120f;
  return byte & 0x80 ? -magnitude : magnitude;
}

// The sum, or the largest, over the four lanes that hold one row of a result of `multiply`.
DEVICE float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffff, x, 1);
  return x + __shfl_xor_sync(0xffffffff, x, 2);
}

DEVICE float quad_largest(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}

// A tile in shared memory: rows of CHUNKS times eight numbers. A chunk lies at its number exclusive-or the low bits of the row,
// so that eight rows of one chunk, which is what ldmatrix reads at a time, lie in different banks.
template <int COLUMNS>
struct Tile {
  static constexpr int chunks = COLUMNS / 8;
  static constexpr int stride = (chunks + 7) / 8 * 64;  // numbers from row to row
  DEVICE_MEMBER static constexpr int numbers(int rows) { return rows * stride; }

  bf16* at;

  DEVICE_MEMBER bf16* chunk(int row, int c) const { return at + row * stride + (((c & ~7) | ((c ^ row) & 7)) << 3); }
  // Of two neighbours, the first of them even.
  DEVICE_MEMBER u32* pair(int row, int column) const { return reinterpret_cast<u32*>(chunk(row, column >> 3) + (column & 7)); }

  // Row-major operand a [16, 16] of `multiply`: rows from `row`, columns from 16 `step`.
  DEVICE_MEMBER void left(u32 (&a)[4], int row, int step, int lane) const {
    load_matrices(a, chunk(row + (lane & 15), step * 2 + (lane >> 4)));
  }
  // The same of the transposed tile: a [i, j] is the tile's row 16 `step` + j, column `column` + i.
  DEVICE_MEMBER void left_turned(u32 (&a)[4], int column, int step, int lane) const {
    load_matrices_turned(a, chunk(step * 16 + (lane & 7) + (lane >> 4) * 8, (column >> 3) + ((lane >> 3) & 1)));
  }
  // Operands b of two products with the transposed tile: b [i, j] is row `row` + j, column 16 `step` + i.
  // b[0], b[1] are for rows `row` .. + 7, b[2], b[3] for the next eight.
  DEVICE_MEMBER void right_turned(u32 (&b)[4], int row, int step, int lane) const {
    load_matrices(b, chunk(row + (lane & 7) + (lane >> 4) * 8, step * 2 + ((lane >> 3) & 1)));
  }
  // Operands b of two products with the tile: rows 16 `step` .. + 15, columns from `column` and, b[2] and b[3], the next eight.
  DEVICE_MEMBER void right(u32 (&b)[4], int step, int column, int lane) const {
    load_matrices_turned(b, chunk(step * 16 + (lane & 15), (column >> 3) + (lane >> 4)));
  }
  // Operand b of one product with the tile: columns from `column`.
  DEVICE_MEMBER void right_single(u32 (&b)[2], int step, int column, int lane) const {
    load_two_turned(b, chunk(step * 16 + (lane & 15), column >> 3));
  }
};

// Scores of 64 rows of `left` with 64 rows of `right` over COLUMNS columns. Warp w has rows 16 (w % 4) and columns 32 (w / 4):
// s[n] is its product with columns 8 n .. 8 n + 7 of these.
template <int COLUMNS, class Left, class Right>
DEVICE void score_tile(float (&s)[4][4], const Left& left, const Right& right, int warp, int lane) {
  const int row = (warp & 3) * 16, column = (warp >> 2) * 32;
#pragma unroll
  for (int n = 0; n < 4; n++)
    for (int e = 0; e < 4; e++) s[n][e] = 0.0f;
#pragma unroll 4
  for (int step = 0; step < COLUMNS / 16; step++) {
    u32 a[4], b[4];
    left.left(a, row, step, lane);
#pragma unroll
    for (int n = 0; n < 4; n += 2) {
      right.right_turned(b, column + n * 8, step, lane);
      multiply(s[n], a, b[0], b[1]);
      multiply(s[n + 1], a, b[2], b[3]);
    }
  }
}

// Copy rows of COLUMNS numbers into a tile; a row `from(row)` that is null becomes zeros. `any` is some valid address.
template <int COLUMNS, class From>
DEVICE void copy_rows(const Tile<COLUMNS>& tile, int rows, const void* any, From from) {
  for (int i = threadIdx.x; i < rows * Tile<COLUMNS>::chunks; i += THREADS) {
    const int row = i / Tile<COLUMNS>::chunks, c = i % Tile<COLUMNS>::chunks;
    const bf16* source = from(row);
    copy_async(tile.chunk(row, c), source ? source + c * 8 : static_cast<const bf16*>(any), source != nullptr);
  }
}
