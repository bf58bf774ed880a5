// Scores of the lightning indexer: I[q, s] = key scale[s] * sum_j w[q, j] relu(query[q, j] . key[s]), minus infinity after the query's
// position.
//
// Compile-time: HEADS (a multiple of 16), HEAD_WIDTH (a multiple of 16), FP8 (0: keys of HEAD_WIDTH bfloat16; 1: of HEAD_WIDTH e4m3 bytes
// with a float32 scale each; queries are bfloat16 either way, which holds every e4m3 number, and their scales belong into w).
//
// A block has 256 keys, which stay in registers, 32 a warp, and goes through some queries; the sum over heads runs within a lane in the
// order of heads and then over the four lanes of a row, the same for a query whatever else is computed beside it.
#include "tile.cuh"

#define KEYS 256
#define PAGE 64

#if FP8
typedef u8 Key;
#else
typedef bf16 Key;
#endif

// grid [T / 256 rounded up, S / block_queries rounded up, B].
KERNEL(THREADS)
indexer_scores(const bf16* queries,    // [B, S, HEADS, HEAD_WIDTH]
               const float* weights,   // [B, S, HEADS]
               const Key* keys,        // [N, HEAD_WIDTH]
               const float* scales,    // [N]; unused unless FP8
               const int* pages,       // [B, page_columns]: of 64 keys; row p of `keys` 64 pages[b, p / 64] + p % 64 is position p
               const int* positions,   // [B, S], ascending
               float* scores,          // [B, S, T]
               int count, int length, int page_columns, int block_queries) {
  DYNAMIC_SHARED(shared);
  typedef Tile<HEAD_WIDTH> Heads;
  const Heads key_tile{reinterpret_cast<bf16*>(shared)};                                // [256, HEAD_WIDTH]
  bf16* buffers = key_tile.at + Heads::numbers(KEYS);                                  // two of [HEADS, HEAD_WIDTH]
  float* head_weights = reinterpret_cast<float*>(buffers + 2 * Heads::numbers(HEADS));  // [2, HEADS]

  const int first_key = blockIdx.x * KEYS, b = blockIdx.z;
  const int first_query = blockIdx.y * block_queries, last_query = min(count, first_query + block_queries) - 1;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const long long rows = (long long)b * count;
  const auto slot = [&](int position) -> long long {
    return position < length ? (long long)pages[(long long)b * page_columns + position / PAGE] * PAGE + position % PAGE : -1;
  };

  if (positions[rows + last_query] < first_key) {  // no query of this block sees a key of this block
    for (int q = first_query; q <= last_query; q++) {
      const int position = first_key + threadIdx.x;
      if (position < length) scores[(rows + q) * length + position] = -INFINITE;
    }
    return;
  }

#if FP8
  for (int i = threadIdx.x; i < KEYS * (HEAD_WIDTH / 8); i += THREADS) {
    const int row = i / (HEAD_WIDTH / 8), c = i % (HEAD_WIDTH / 8);
    const long long from = slot(first_key + row);
    u32* to = reinterpret_cast<u32*>(key_tile.chunk(row, c));
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const u32 four = from < 0 ? 0 : reinterpret_cast<const u32*>(keys + from * HEAD_WIDTH + c * 8)[half];
      to[half * 2] = pack(from_e4m3(four & 255), from_e4m3((four >> 8) & 255));
      to[half * 2 + 1] = pack(from_e4m3((four >> 16) & 255), from_e4m3(four >> 24));
    }
  }
#else
  copy_rows(key_tile, KEYS, keys, [&](int row) {
    const long long from = slot(first_key + row);
    return from < 0 ? nullptr : keys + from * HEAD_WIDTH;
  });
#endif
  const auto fetch = [&](int q, int buffer) {
    const bf16* from = queries + (rows + q) * HEADS * HEAD_WIDTH;
    copy_rows(Heads{buffers + buffer * Heads::numbers(HEADS)}, HEADS, queries, [&](int head) { return from + head * HEAD_WIDTH; });
    for (int head = threadIdx.x; head < HEADS; head += THREADS) head_weights[buffer * HEADS + head] = weights[(rows + q) * HEADS + head];
  };
  fetch(first_query, 0);
  wait_copies();
  __syncthreads();

  u32 key[2][HEAD_WIDTH / 16][4];  // keys 32 warp + 16 m
  float scale[2][2];               // of keys 32 warp + 16 m + g + 8 r
  int position[2][2];
#pragma unroll
  for (int m = 0; m < 2; m++) {
#pragma unroll
    for (int step = 0; step < HEAD_WIDTH / 16; step++) key_tile.left(key[m][step], warp * 32 + m * 16, step, lane);
#pragma unroll
    for (int r = 0; r < 2; r++) {
      position[m][r] = first_key + warp * 32 + m * 16 + g + 8 * r;
      scale[m][r] = 1.0f;
#if FP8
      const long long from = slot(position[m][r]);
      if (from >= 0) scale[m][r] = scales[from];
#endif
    }
  }

  for (int q = first_query; q <= last_query; q++) {
    const int buffer = (q - first_query) & 1;
    if (q > first_query) {
      wait_copies();
      __syncthreads();  // this query is here, and nobody reads the one before any more
    }
    if (q < last_query) fetch(q + 1, buffer ^ 1);
    const Heads tile{buffers + buffer * Heads::numbers(HEADS)};
    const float* w = head_weights + buffer * HEADS;
    float sum[2][2] = {{0.0f, 0.0f}, {0.0f, 0.0f}};
#pragma unroll 1
    for (int head = 0; head < HEADS; head += 16) {
      float z[2][2][4] = {};
#pragma unroll
      for (int step = 0; step < HEAD_WIDTH / 16; step++) {
        u32 b2[4];
        tile.right_turned(b2, head, step, lane);
#pragma unroll
        for (int m = 0; m < 2; m++) {
          multiply(z[m][0], key[m][step], b2[0], b2[1]);
          multiply(z[m][1], key[m][step], b2[2], b2[3]);
        }
      }
#pragma unroll
      for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
          for (int e = 0; e < 4; e++) sum[m][e >> 1] += w[head + n * 8 + 2 * t + (e & 1)] * fmaxf(z[m][n][e], 0.0f);
    }
    const int last = positions[rows + q];
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
      for (int r = 0; r < 2; r++) {
        const float score = quad_sum(sum[m][r]) * scale[m][r];
        const int p = position[m][r];
        if (t == 0 && p < length) scores[(rows + q) * length + p] = p <= last ? score : -INFINITE;
      }
  }
}
