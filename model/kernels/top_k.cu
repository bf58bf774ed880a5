// The k best scores of every row, ascending by index; among equal scores the lowest index wins. Minus infinity and not-a-number are
// never taken; places that stay empty hold -1. The same result every time: counts are sums of integers.
//
// Radix selection: four passes of eight bits find the k-th best score, bit by bit from the top, and one pass writes what is better
// and the first of what is equal.
#include "tile.cuh"

#define ROW_THREADS 512

// Order-preserving: a better score is a larger number, and zero stands for what is never taken.
DEVICE u32 rank_of(float score) {
  if (!(score > -INFINITE)) return 0;
  const u32 bits = __float_as_int(score + 0.0f);  // zeros of either sign are equal
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// How many threads before this one say yes, and how many of the block do.
DEVICE int count_before(bool yes, int* warp_counts, int& all) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const u32 votes = __ballot_sync(0xffffffff, yes);
  if (lane == 0) warp_counts[warp] = __popc(votes);
  __syncthreads();
  int before = __popc(votes & ((1u << lane) - 1));
  all = 0;
  for (int w = 0; w < ROW_THREADS / 32; w++) {
    before += w < warp ? warp_counts[w] : 0;
    all += warp_counts[w];
  }
  __syncthreads();
  return before;
}

// grid [rows].
KERNEL(ROW_THREADS)
top_k(const float* scores,  // [rows, length]
      int* indices,         // [rows, k]
      int length, int k) {
  DYNAMIC_SHARED(shared);
  int* counts = reinterpret_cast<int*>(shared);  // [256]
  int* warp_counts = counts + 256;               // [ROW_THREADS / 32]
  u32* found = reinterpret_cast<u32*>(warp_counts + ROW_THREADS / 32);  // the digit, and how many are still to be taken
  const float* row = scores + (long long)blockIdx.x * length;
  int* out = indices + (long long)blockIdx.x * k;

  u32 threshold = 0;
  int needed = k;  // of those that share the bits of the threshold found so far
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int i = threadIdx.x; i < 256; i += ROW_THREADS) counts[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < length; i += ROW_THREADS) {
      const u32 rank = rank_of(row[i]);
      const bool same = shift == 24 || (rank ^ threshold) >> (shift + 8) == 0;
      if (rank != 0 && same) atomicAdd(&counts[rank >> shift & 255], 1);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int left = needed, digit = 255;
      while (digit >= 0 && counts[digit] < left) left -= counts[digit--];
      found[0] = digit < 0 ? 256 : digit;
      found[1] = left;
    }
    __syncthreads();
    const u32 digit = found[0];
    if (digit == 256) break;  // fewer than k can be taken: all of them. Only the first pass comes here.
    threshold |= digit << shift;
    needed = found[1];
    __syncthreads();
  }

  int taken = 0, ties = 0;
  for (int first = 0; first < length; first += ROW_THREADS) {
    const int i = first + threadIdx.x;
    const u32 rank = i < length ? rank_of(row[i]) : 0;
    const bool tied = threshold != 0 && rank == threshold;
    int all;
    const bool takes_tie = count_before(tied, warp_counts, all) + ties < needed;
    ties += all;
    const bool take = rank > threshold || (tied && takes_tie);
    const int place = taken + count_before(take, warp_counts, all);
    if (take) out[place] = i;
    taken += all;
  }
  for (int i = taken + threadIdx.x; i < k; i += ROW_THREADS) out[i] = -1;
}
