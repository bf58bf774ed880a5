// Gradients of attention over selected rows (sparse_attention.cu), for training, in bfloat16 with float32 sums and no atomic addition:
// the same bits every time.
//
//   p = exp(s - lse),   ds = p * (d_out . row - delta) * scale,   delta = d_out . out
//   d_query = sum_k ds[k] row[k],   d_row[slots[k]] += sum_h ds[h, k] query[h] + p[h, k] d_out[h]  (the latter in the first RANK columns)
//
// The rows' gradients are first written a selected key each (`shares`), for some queries at a time, and then added up a row each in the
// order of queries, heads and keys by `add_shares`.
//
// Compile-time: WIDTH (a multiple of 16) and RANK (a multiple of 16).
#include "tile.cuh"

// Column tiles of eight that each of the eight warps has, at most.
#define WARP_TILES ((WIDTH / 8 + 7) / 8)

// grid [Q, heads / 64 rounded up].
KERNEL(THREADS)
sparse_attention_backward(const bf16* query,    // [Q, H, WIDTH]
                          const bf16* data,     // [N, WIDTH]
                          const int* slots,     // [Q, K]
                          const bf16* d_out,    // [Q, H, RANK]
                          const float* lse,     // [Q, H]: of the forward pass
                          const float* delta,   // [Q, H]
                          bf16* d_query,        // [Q, H, WIDTH]
                          float* shares,        // [Q, heads / 64, K, WIDTH]
                          int heads, int selected, int count, float scale) {
  DYNAMIC_SHARED(shared);
  const Tile<WIDTH> q_tile{reinterpret_cast<bf16*>(shared)};              // [64 heads, WIDTH]
  const Tile<RANK> d_tile{q_tile.at + Tile<WIDTH>::numbers(TILE)};        // [64 heads, RANK]: d_out
  const Tile<WIDTH> tile{d_tile.at + Tile<RANK>::numbers(TILE)};          // [64 keys, WIDTH]
  const Tile<TILE> p_tile{tile.at + Tile<WIDTH>::numbers(TILE)};          // [64 heads, 64 keys]: p
  const Tile<TILE> ds_tile{p_tile.at + Tile<TILE>::numbers(TILE)};        // [64 heads, 64 keys]: ds

  const int q = blockIdx.x, group = blockIdx.y, first_head = group * TILE;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int row = (warp & 3) * 16 + g, side = warp >> 2;
  const int* own_slots = slots + (long long)q * selected;
  const auto source = [&](int k) -> const bf16* {
    if (k >= selected) return nullptr;
    const int slot = own_slots[k];
    return slot < 0 || slot >= count ? nullptr : data + (long long)slot * WIDTH;
  };

  const long long place = (long long)q * heads + first_head;
  copy_rows(q_tile, TILE, query, [&](int r) { return first_head + r < heads ? query + (place + r) * WIDTH : nullptr; });
  copy_rows(d_tile, TILE, d_out, [&](int r) { return first_head + r < heads ? d_out + (place + r) * RANK : nullptr; });
  float row_lse[2], row_delta[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const bool real = first_head + row + 8 * r < heads;
    row_lse[r] = real ? lse[place + row + 8 * r] : INFINITE;
    row_delta[r] = real ? delta[place + row + 8 * r] : 0.0f;
  }

  float dq[4][WARP_TILES][4];  // heads 16 m, columns 8 (warp + 8 j)
#pragma unroll
  for (int m = 0; m < 4; m++)
#pragma unroll
    for (int j = 0; j < WARP_TILES; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) dq[m][j][e] = 0.0f;

  for (int first = 0; first < selected; first += TILE) {
    __syncthreads();  // nobody reads the tiles of the keys before any more
    copy_rows(tile, TILE, data, [&](int r) { return source(first + r); });
    wait_copies();
    __syncthreads();

    float s[4][4], dp[4][4];
    score_tile<WIDTH>(s, q_tile, tile, warp, lane);
    score_tile<RANK>(dp, d_tile, tile, warp, lane);
#pragma unroll
    for (int n = 0; n < 4; n++) {
      const int column = side * 32 + n * 8 + 2 * t;
      const bool real[2] = {source(first + column) != nullptr, source(first + column + 1) != nullptr};
#pragma unroll
      for (int r = 0; r < 2; r++) {
        float p[2], ds[2];
#pragma unroll
        for (int e = 0; e < 2; e++) {
          p[e] = real[e] ? power_of_two((s[n][2 * r + e] * scale - row_lse[r]) * LOG2_E) : 0.0f;
          ds[e] = p[e] * (dp[n][2 * r + e] - row_delta[r]) * scale;
        }
        *p_tile.pair(row + 8 * r, column) = pack(p[0], p[1]);
        *ds_tile.pair(row + 8 * r, column) = pack(ds[0], ds[1]);
      }
    }
    __syncthreads();

    // d_query += ds [heads, keys] rows [keys, WIDTH].
#pragma unroll
    for (int step = 0; step < 4; step++) {
      u32 a[4][4];
#pragma unroll
      for (int m = 0; m < 4; m++) ds_tile.left(a[m], m * 16, step, lane);
#pragma unroll
      for (int j = 0; j < WARP_TILES; j++) {
        const int n = warp + 8 * j;
        if (n >= WIDTH / 8) break;
        u32 b[2];
        tile.right_single(b, step, n * 8, lane);
#pragma unroll
        for (int m = 0; m < 4; m++) multiply(dq[m][j], a[m], b[0], b[1]);
      }
    }

    // Shares: ds^T [keys, heads] query [heads, WIDTH] + p^T [keys, heads] d_out [heads, RANK].
    for (int j = 0; j < WARP_TILES; j++) {
      const int n = warp + 8 * j;
      if (n >= WIDTH / 8) break;
      float c[4][4];
#pragma unroll
      for (int m = 0; m < 4; m++)
#pragma unroll
        for (int e = 0; e < 4; e++) c[m][e] = 0.0f;
#pragma unroll
      for (int step = 0; step < 4; step++) {
        u32 a[4], b[2];
        q_tile.right_single(b, step, n * 8, lane);
#pragma unroll
        for (int m = 0; m < 4; m++) {
          ds_tile.left_turned(a, m * 16, step, lane);
          multiply(c[m], a, b[0], b[1]);
        }
        if (n < RANK / 8) {
          d_tile.right_single(b, step, n * 8, lane);
#pragma unroll
          for (int m = 0; m < 4; m++) {
            p_tile.left_turned(a, m * 16, step, lane);
            multiply(c[m], a, b[0], b[1]);
          }
        }
      }
#pragma unroll
      for (int m = 0; m < 4; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
          const int k = first + m * 16 + g + 8 * r;
          if (k >= selected) continue;
          float* to = shares + (((long long)q * gridDim.y + group) * selected + k) * WIDTH + n * 8 + 2 * t;
          to[0] = c[m][2 * r];
          to[1] = c[m][2 * r + 1];
        }
    }
  }

#pragma unroll
  for (int m = 0; m < 4; m++)
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int h = m * 16 + g + 8 * r;
      if (first_head + h >= heads) continue;
#pragma unroll
      for (int j = 0; j < WARP_TILES; j++) {
        const int n = warp + 8 * j;
        if (n >= WIDTH / 8) break;
        *reinterpret_cast<u32*>(d_query + (place + h) * WIDTH + n * 8 + 2 * t) = pack(dq[m][j][2 * r], dq[m][j][2 * r + 1]);
      }
    }
}

// d_rows[n] += the shares of row n, in the order of `entries`. grid [N]; any number of threads.
KERNEL(THREADS)
add_shares(const float* shares,   // [Q, groups, K, WIDTH]
           const int* entries,    // [valid entries]: q * K + k, sorted by row, then ascending
           const int* begins,     // [N + 1]: where a row's entries begin
           float* d_rows,         // [N, WIDTH]
           int groups, int selected) {
  const int n = blockIdx.x, begin = begins[n], end = begins[n + 1];
  if (begin == end) return;
  for (int column = threadIdx.x; column < WIDTH; column += blockDim.x) {
    float sum = d_rows[(long long)n * WIDTH + column];
    for (int i = begin; i < end; i++) {
      const int q = entries[i] / selected, k = entries[i] % selected;
      for (int group = 0; group < groups; group++)
        sum += shares[(((long long)q * groups + group) * selected + k) * WIDTH + column];
    }
    d_rows[(long long)n * WIDTH + column] = sum;
  }
}
