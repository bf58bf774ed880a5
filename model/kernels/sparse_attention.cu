// Attention over selected rows of the latent cache, all heads of a query on one key row (MLA in MQA form).
//
//   s[k] = scale * q . row[slots[k]],   out = sum_k softmax(s)[k] * row[slots[k]][..RANK]
//
// Compile-time: WIDTH = RANK + rotated part (576), RANK (512, a multiple of 128), FP8 (0: rows of WIDTH bfloat16; 1: rows of 656 bytes:
// RANK e4m3 numbers, a float32 scale for each 128 of them, the rotated part in bfloat16).
//
// A block has one query, 64 heads and one part of the selection, 64 keys at a time: scores on tensor cores (warp: 16 heads x 32 keys),
// softmax as it goes (the largest score so far, FlashAttention's recurrence), then the weighted sum (warp: 64 heads x RANK / 8 columns,
// which stay in registers). The next keys are on their way meanwhile. Sums run in one fixed order: a query's result depends on nothing
// but the query, its rows and the number of parts.
#include "tile.cuh"

#define ROW_BYTES (FP8 ? RANK + RANK / 32 + 2 * (WIDTH - RANK) : 2 * WIDTH)

struct Rows {
  const u8* data;    // [N, ROW_BYTES]
  const int* slots;  // [K]: of this query
  int count, selected;

  // Null where the selection has no such key.
  DEVICE_MEMBER const u8* at(int k) const {
    if (k >= selected) return nullptr;
    const int slot = slots[k];
    return slot < 0 || slot >= count ? nullptr : data + (long long)slot * ROW_BYTES;
  }
};

// Begin to fetch keys `first` .. + 63.
DEVICE void fetch(const Rows& rows, int first, const Tile<WIDTH>& tile, u8* raw, int* valid) {
#if FP8
  constexpr int chunks = ROW_BYTES / 16;
  for (int i = threadIdx.x; i < TILE * chunks; i += THREADS) {
    const u8* row = rows.at(first + i / chunks);
    copy_async(raw + i * 16, row ? row + i % chunks * 16 : rows.data, row != nullptr);
  }
#else
  copy_rows(tile, TILE, rows.data, [&](int row) { return reinterpret_cast<const bf16*>(rows.at(first + row)); });
#endif
  if (threadIdx.x < TILE) valid[threadIdx.x] = rows.at(first + threadIdx.x) != nullptr;
}

#if FP8
// Bytes to bfloat16. A missing row is all zeros, its scales too.
DEVICE void expand(const u8* raw, const Tile<WIDTH>& tile) {
  for (int i = threadIdx.x; i < TILE * (WIDTH / 8); i += THREADS) {
    const int row = i / (WIDTH / 8), c = i % (WIDTH / 8);
    const u8* source = raw + row * ROW_BYTES;
    u32* to = reinterpret_cast<u32*>(tile.chunk(row, c));
    if (c < RANK / 8) {
      const float scale = reinterpret_cast<const float*>(source + RANK)[c / 16];
      const u32* bytes = reinterpret_cast<const u32*>(source + c * 8);
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const u32 four = bytes[half];
        to[half * 2] = pack(from_e4m3(four & 255) * scale, from_e4m3((four >> 8) & 255) * scale);
        to[half * 2 + 1] = pack(from_e4m3((four >> 16) & 255) * scale, from_e4m3(four >> 24) * scale);
      }
    } else {
      const u32* from = reinterpret_cast<const u32*>(source + RANK + RANK / 32 + (c - RANK / 8) * 16);
#pragma unroll
      for (int word = 0; word < 4; word++) to[word] = from[word];
    }
  }
}
#endif

// grid [Q, heads / 64 rounded up, parts]; part p has the keys from p * part_keys on (a multiple of 64).
// With one part `out` and final `lse` are written, else `partial` and a part's own lse, minus infinity where it has no valid key.
KERNEL(THREADS)
sparse_attention(const bf16* query,  // [Q, H, WIDTH]
                 const u8* data,     // [N, ROW_BYTES]
                 const int* slots,   // [Q, K]; no key where negative or not below N
                 bf16* out,          // [Q, H, RANK]
                 float* partial,     // [parts, Q, H, RANK]
                 float* largest,     // [parts, Q, H]: the largest score, minus infinity without any key
                 float* lse,         // [parts, Q, H]: log of the sum of exp(score); final: plus infinity without any key
                 int heads, int selected, int count, int part_keys, float scale) {
  DYNAMIC_SHARED(shared);
  const Tile<WIDTH> q_tile{reinterpret_cast<bf16*>(shared)};                      // [64, WIDTH]
  bf16* buffers = q_tile.at + Tile<WIDTH>::numbers(TILE);                        // two of [64, WIDTH]; FP8: one, and [64, ROW_BYTES] bytes
  const Tile<TILE> p_tile{buffers + 2 * Tile<WIDTH>::numbers(TILE)};             // [64 heads, 64 keys]
  float* halves = reinterpret_cast<float*>(p_tile.at + Tile<TILE>::numbers(TILE));  // [2, 64]: of the two warps that share a row
  float* factors = halves + 2 * TILE;                                            // [64]
  int* valid = reinterpret_cast<int*>(factors + TILE);                           // [2, 64]
  u8* raw = reinterpret_cast<u8*>(buffers + Tile<WIDTH>::numbers(TILE));

  const int q = blockIdx.x, first_head = blockIdx.y * TILE, part = blockIdx.z;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int row = (warp & 3) * 16 + g, side = warp >> 2;
  const Rows rows{data, slots + (long long)q * selected, count, selected};
  const int start = part * part_keys, end = min(selected, start + part_keys);
  const int tiles = (end - start + TILE - 1) / TILE;
  const float factor2 = scale * LOG2_E;

  const bf16* heads_here = query + ((long long)q * heads + first_head) * WIDTH;
  copy_rows(q_tile, TILE, query, [&](int r) { return first_head + r < heads ? heads_here + r * WIDTH : nullptr; });
  fetch(rows, start, Tile<WIDTH>{buffers}, raw, valid);

  float o[4][RANK / 64][4];  // heads 16 m, columns of this warp
#pragma unroll
  for (int m = 0; m < 4; m++)
#pragma unroll
    for (int n = 0; n < RANK / 64; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) o[m][n][e] = 0.0f;
  float top[2] = {-INFINITE, -INFINITE};  // the largest unscaled score of rows `row` and `row` + 8 so far
  float sum[2] = {0.0f, 0.0f};            // of this lane's own keys

  for (int i = 0; i < tiles; i++) {
    const int* keys_valid = valid + (i & 1) * TILE + side * 32;
    wait_copies();
    __syncthreads();  // this tile is here, and nobody reads the one before any more
#if FP8
    const Tile<WIDTH> tile{buffers};
    expand(raw, tile);
    __syncthreads();
#else
    const Tile<WIDTH> tile{buffers + (i & 1) * Tile<WIDTH>::numbers(TILE)};
#endif
    if (i + 1 < tiles) {
      const Tile<WIDTH> next{buffers + ((i + 1) & 1) * Tile<WIDTH>::numbers(TILE)};
      fetch(rows, start + (i + 1) * TILE, next, raw, valid + ((i + 1) & 1) * TILE);
    }

    float s[4][4];
    score_tile<WIDTH>(s, q_tile, tile, warp, lane);
    float best[2] = {-INFINITE, -INFINITE};
#pragma unroll
    for (int n = 0; n < 4; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        if (!keys_valid[n * 8 + 2 * t + (e & 1)]) s[n][e] = -INFINITE;
        best[e >> 1] = fmaxf(best[e >> 1], s[n][e]);
      }
#pragma unroll
    for (int r = 0; r < 2; r++) {
      best[r] = quad_largest(best[r]);
      if (t == 0) halves[side * TILE + row + 8 * r] = best[r];
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const float now = fmaxf(top[r], fmaxf(halves[row + 8 * r], halves[TILE + row + 8 * r]));
      const float base = now == -INFINITE ? 0.0f : now * factor2;
      const float factor = top[r] == -INFINITE ? 0.0f : power_of_two(top[r] * factor2 - base);
      float added = 0.0f;
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const float low = power_of_two(s[n][2 * r] * factor2 - base), high = power_of_two(s[n][2 * r + 1] * factor2 - base);
        added += low + high;
        *p_tile.pair(row + 8 * r, side * 32 + n * 8 + 2 * t) = pack(low, high);
      }
      sum[r] = sum[r] * factor + added;
      top[r] = now;
      if (side == 0 && t == 0) factors[row + 8 * r] = factor;
    }
    __syncthreads();

    const int column = warp * (RANK / 8);
#pragma unroll
    for (int m = 0; m < 4; m++) {
      const float upper = factors[m * 16 + g], lower = factors[m * 16 + g + 8];
#pragma unroll
      for (int n = 0; n < RANK / 64; n++) {
        o[m][n][0] *= upper, o[m][n][1] *= upper;
        o[m][n][2] *= lower, o[m][n][3] *= lower;
      }
    }
#pragma unroll
    for (int step = 0; step < 4; step++) {
      u32 a[4][4];
#pragma unroll
      for (int m = 0; m < 4; m++) p_tile.left(a[m], m * 16, step, lane);
#pragma unroll
      for (int n = 0; n < RANK / 64; n += 2) {
        u32 b[4];
        tile.right(b, step, column + n * 8, lane);
#pragma unroll
        for (int m = 0; m < 4; m++) {
          multiply(o[m][n], a[m], b[0], b[1]);
          multiply(o[m][n + 1], a[m], b[2], b[3]);
        }
      }
    }
  }

#pragma unroll
  for (int r = 0; r < 2; r++) {
    sum[r] = quad_sum(sum[r]);
    if (t == 0) halves[side * TILE + row + 8 * r] = sum[r];
  }
  __syncthreads();
  const long long places = (long long)gridDim.x * heads, place = (long long)part * places + (long long)q * heads + first_head;
  if (side == 0 && t == 0) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int h = row + 8 * r;
      const float total = halves[h] + halves[TILE + h];
      factors[h] = total > 0.0f ? 1.0f / total : 0.0f;
      if (first_head + h < heads) {
        largest[place + h] = top[r] * scale;
        lse[place + h] = total > 0.0f ? top[r] * scale + logf(total) : gridDim.z == 1 ? INFINITE : -INFINITE;
      }
    }
  }
  __syncthreads();
#pragma unroll
  for (int m = 0; m < 4; m++)
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int h = m * 16 + g + 8 * r;
      if (first_head + h >= heads) continue;
      const long long offset = (place + h) * RANK + warp * (RANK / 8) + 2 * t;
#pragma unroll
      for (int n = 0; n < RANK / 64; n++) {
        const float low = o[m][n][2 * r] * factors[h], high = o[m][n][2 * r + 1] * factors[h];
        if (gridDim.z == 1) {
          *reinterpret_cast<u32*>(out + offset + n * 8) = pack(low, high);
        } else {
          partial[offset + n * 8] = low;
          partial[offset + n * 8 + 1] = high;
        }
      }
    }
}

// Put the parts of a selection together, part after part. grid [Q * H]; 128 threads.
KERNEL(128)
combine_parts(const float* partial,    // [parts, Q, H, RANK]
              const float* part_max,   // [parts, Q, H]
              const float* part_lse,   // [parts, Q, H]
              bf16* out,               // [Q, H, RANK]
              float* largest,          // [Q, H]
              float* lse,              // [Q, H]
              int parts) {
  const long long place = blockIdx.x, places = gridDim.x;
  float top = -INFINITE, highest = -INFINITE, total = 0.0f;
  for (int p = 0; p < parts; p++) {
    top = fmaxf(top, part_lse[p * places + place]);
    highest = fmaxf(highest, part_max[p * places + place]);
  }
  const float base = top == -INFINITE ? 0.0f : top;
  for (int p = 0; p < parts; p++) total += expf(part_lse[p * places + place] - base);
  const float inverse = total > 0.0f ? 1.0f / total : 0.0f;
  for (int column = 2 * threadIdx.x; column < RANK; column += 2 * blockDim.x) {
    float low = 0.0f, high = 0.0f;
    for (int p = 0; p < parts; p++) {
      const float weight = expf(part_lse[p * places + place] - base) * inverse;
      if (weight == 0.0f) continue;
      const float* from = partial + (p * places + place) * RANK + column;
      low += weight * from[0];
      high += weight * from[1];
    }
    *reinterpret_cast<u32*>(out + place * RANK + column) = pack(low, high);
  }
  if (threadIdx.x == 0) {
    largest[place] = highest;
    lse[place] = total > 0.0f ? top + logf(total) : INFINITE;
  }
}
