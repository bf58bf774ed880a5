// Gradients of indexer scores (indexer_scores.cu) from those of the scores, zero where a key is masked or not selected:
//
//   z[q, j, s] = query[q, j] . key[s],   u[q, j, s] = d_score[q, s] w[q, j] (z > 0)
//   d_query[q, j] = sum_s u key[s],   d_w[q, j] = sum_s d_score[q, s] relu(z),   d_key[s] = sum_q sum_j u query[q, j]
//
// bfloat16 with float32 sums in one fixed order. Tiles of 64 keys whose gradients are all zero are skipped, which is most of them
// where only selected keys have a loss. Compile-time: HEAD_WIDTH (a multiple of 16). At most 64 heads.
#include "tile.cuh"

#define COLUMN_TILES ((HEAD_WIDTH / 8 + 7) / 8)

typedef Tile<HEAD_WIDTH> Heads;

// u of one query and 64 keys into `u_tile` [64 heads, 64 keys]; adds to the gradients of the weights of rows g and g + 8 if asked.
DEVICE void scaled_gradients(const Heads& q_tile, const Heads& key_tile, const Tile<TILE>& u_tile, const float* d_scores, int keys,
                             const float* w, int heads, int warp, int lane, float (&d_w)[2]) {
  const int row = (warp & 3) * 16 + lane / 4, side = warp >> 2, t = lane % 4;
  float z[4][4];
  score_tile<HEAD_WIDTH>(z, q_tile, key_tile, warp, lane);
#pragma unroll
  for (int n = 0; n < 4; n++) {
    const int column = side * 32 + n * 8 + 2 * t;
    const float d[2] = {column < keys ? d_scores[column] : 0.0f, column + 1 < keys ? d_scores[column + 1] : 0.0f};
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const float weight = row + 8 * r < heads ? w[row + 8 * r] : 0.0f;
      float u[2];
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const float value = z[n][2 * r + e];
        u[e] = value > 0.0f ? d[e] * weight : 0.0f;
        d_w[r] += d[e] * fmaxf(value, 0.0f);
      }
      *u_tile.pair(row + 8 * r, column) = pack(u[0], u[1]);
    }
  }
}

// Whether any of the next 64 keys has a gradient; for all threads alike.
DEVICE bool any_gradient(const float* d_scores, int keys) {
  return __syncthreads_or(threadIdx.x < TILE && static_cast<int>(threadIdx.x) < keys && d_scores[threadIdx.x] != 0.0f);
}

// grid [S].
KERNEL(THREADS)
indexer_query_backward(const bf16* queries,    // [S, heads, HEAD_WIDTH]
                       const float* weights,   // [S, heads]
                       const bf16* keys,       // [T, HEAD_WIDTH]
                       const float* d_scores,  // [S, T]
                       float* d_queries,       // [S, heads, HEAD_WIDTH]
                       float* d_weights,       // [S, heads]
                       int heads, int length) {
  DYNAMIC_SHARED(shared);
  const Heads q_tile{reinterpret_cast<bf16*>(shared)};                             // [64, HEAD_WIDTH]
  const Heads key_tile{q_tile.at + Heads::numbers(TILE)};                          // [64, HEAD_WIDTH]
  const Tile<TILE> u_tile{key_tile.at + Heads::numbers(TILE)};                     // [64, 64]
  float* halves = reinterpret_cast<float*>(u_tile.at + Tile<TILE>::numbers(TILE));  // [2, 64]
  const long long q = blockIdx.x;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;

  copy_rows(q_tile, TILE, queries, [&](int head) { return head < heads ? queries + (q * heads + head) * HEAD_WIDTH : nullptr; });
  float dq[4][COLUMN_TILES][4] = {};
  float d_w[2] = {0.0f, 0.0f};
  for (int first = 0; first < length; first += TILE) {
    const float* d = d_scores + q * length + first;
    if (!any_gradient(d, length - first)) continue;  // its barrier also ends the use of the tiles before
    copy_rows(key_tile, TILE, keys, [&](int k) { return first + k < length ? keys + (long long)(first + k) * HEAD_WIDTH : nullptr; });
    wait_copies();
    __syncthreads();
    scaled_gradients(q_tile, key_tile, u_tile, d, length - first, weights + q * heads, heads, warp, lane, d_w);
    __syncthreads();
#pragma unroll
    for (int step = 0; step < 4; step++) {
      u32 a[4], b[2];
#pragma unroll
      for (int j = 0; j < COLUMN_TILES; j++) {
        const int n = warp + 8 * j;
        if (n >= HEAD_WIDTH / 8) break;
        key_tile.right_single(b, step, n * 8, lane);
#pragma unroll
        for (int m = 0; m < 4; m++) {
          u_tile.left(a, m * 16, step, lane);
          multiply(dq[m][j], a, b[0], b[1]);
        }
      }
    }
  }
#pragma unroll
  for (int m = 0; m < 4; m++)
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int head = m * 16 + g + 8 * r;
      if (head >= heads) continue;
#pragma unroll
      for (int j = 0; j < COLUMN_TILES; j++) {
        const int n = warp + 8 * j;
        if (n >= HEAD_WIDTH / 8) break;
        float* to = d_queries + (q * heads + head) * HEAD_WIDTH + n * 8 + 2 * t;
        to[0] = dq[m][j][2 * r];
        to[1] = dq[m][j][2 * r + 1];
      }
    }
#pragma unroll
  for (int r = 0; r < 2; r++) {
    d_w[r] = quad_sum(d_w[r]);
    if (t == 0) halves[(warp >> 2) * TILE + (warp & 3) * 16 + g + 8 * r] = d_w[r];
  }
  __syncthreads();
  for (int head = threadIdx.x; head < heads; head += THREADS) d_weights[q * heads + head] = halves[head] + halves[TILE + head];
}

// grid [T / 64 rounded up].
KERNEL(THREADS)
indexer_key_backward(const bf16* queries,    // [S, heads, HEAD_WIDTH]
                     const float* weights,   // [S, heads]
                     const bf16* keys,       // [T, HEAD_WIDTH]
                     const float* d_scores,  // [S, T]
                     float* d_keys,          // [T, HEAD_WIDTH]
                     int count, int heads, int length) {
  DYNAMIC_SHARED(shared);
  const Heads q_tile{reinterpret_cast<bf16*>(shared)};          // [64, HEAD_WIDTH]
  const Heads key_tile{q_tile.at + Heads::numbers(TILE)};       // [64, HEAD_WIDTH]
  const Tile<TILE> u_tile{key_tile.at + Heads::numbers(TILE)};  // [64, 64]
  const int first = blockIdx.x * TILE;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;

  copy_rows(key_tile, TILE, keys, [&](int k) { return first + k < length ? keys + (long long)(first + k) * HEAD_WIDTH : nullptr; });
  float dk[4][COLUMN_TILES][4] = {};
  for (long long q = 0; q < count; q++) {
    const float* d = d_scores + q * length + first;
    if (!any_gradient(d, length - first)) continue;
    copy_rows(q_tile, TILE, queries, [&](int head) { return head < heads ? queries + (q * heads + head) * HEAD_WIDTH : nullptr; });
    wait_copies();
    __syncthreads();
    float unused[2] = {0.0f, 0.0f};
    scaled_gradients(q_tile, key_tile, u_tile, d, length - first, weights + q * heads, heads, warp, lane, unused);
    __syncthreads();
#pragma unroll
    for (int step = 0; step < 4; step++) {
      u32 a[4], b[2];
#pragma unroll
      for (int j = 0; j < COLUMN_TILES; j++) {
        const int n = warp + 8 * j;
        if (n >= HEAD_WIDTH / 8) break;
        q_tile.right_single(b, step, n * 8, lane);
#pragma unroll
        for (int m = 0; m < 4; m++) {
          u_tile.left_turned(a, m * 16, step, lane);
          multiply(dk[m][j], a, b[0], b[1]);
        }
      }
    }
  }
#pragma unroll
  for (int m = 0; m < 4; m++)
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int k = first + m * 16 + g + 8 * r;
      if (k >= length) continue;
#pragma unroll
      for (int j = 0; j < COLUMN_TILES; j++) {
        const int n = warp + 8 * j;
        if (n >= HEAD_WIDTH / 8) break;
        float* to = d_keys + (long long)k * HEAD_WIDTH + n * 8 + 2 * t;
        to[0] = dk[m][j][2 * r];
        to[1] = dk[m][j][2 * r + 1];
      }
    }
}
