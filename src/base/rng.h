/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256** (Blackman & Vigna 2018) seeded by splitmix64: the same stream on every machine. */
#ifndef W_BASE_RNG_H
#define W_BASE_RNG_H

#include <stdint.h>

typedef struct w_rng { uint64_t state[4]; } w_rng;

void w_rng_seed(w_rng *rng, uint64_t seed);
uint64_t w_rng_next(w_rng *rng);
double w_rng_uniform(w_rng *rng);                       /* [0, 1), 53 bits */
int64_t w_rng_below(w_rng *rng, int64_t bound);         /* 0 … bound-1, unbiased */
double w_rng_normal(w_rng *rng);                        /* standard normal, polar method */
/* `count` distinct values of 0 … total-1 in ascending order (Vitter/selection sampling). */
void w_rng_sample(w_rng *rng, int64_t total, int64_t count, int64_t *out);

#endif
