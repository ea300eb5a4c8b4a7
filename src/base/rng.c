/* SPDX-License-Identifier: Apache-2.0 */
/* State advance of xoshiro256** (D. Blackman and S. Vigna, Scrambled linear pseudorandom number generators, 2018):
 *   result = rotl(5 s1, 7) * 9;  t = s1 << 17;
 *   s2 ^= s0; s3 ^= s1; s1 ^= s2; s0 ^= s3; s2 ^= t; s3 = rotl(s3, 45).
 * The four words of state are the first four outputs of splitmix64 from the seed, so that no seed gives the zero state. */
#include "base/rng.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void w_rng_seed(w_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        rng->state[i] = splitmix(&seed);
    }
}

uint64_t w_rng_next(w_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double w_rng_uniform(w_rng *rng)
{
    return (double)(w_rng_next(rng) >> 11) * 0x1.0p-53;
}

int64_t w_rng_below(w_rng *rng, int64_t bound)
{
    if (bound <= 1) {
        return 0;
    }
    /* Values below 2^64 mod bound would make the small residues more likely: drawn again. */
    uint64_t range = (uint64_t)bound, skip = (0 - range) % range, draw;
    do {
        draw = w_rng_next(rng);
    } while (draw < skip);
    return (int64_t)(draw % range);
}

double w_rng_normal(w_rng *rng)
{
    double u, v, s;
    do {
        u = 2.0 * w_rng_uniform(rng) - 1.0;
        v = 2.0 * w_rng_uniform(rng) - 1.0;
        s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    return u * sqrt(-2.0 * log(s) / s);
}

void w_rng_sample(w_rng *rng, int64_t total, int64_t count, int64_t *out)
{
    /* Selection sampling: value i is taken with probability (still wanted) / (still to come). */
    int64_t taken = 0;
    for (int64_t i = 0; i < total && taken < count; i++) {
        if (w_rng_below(rng, total - i) < count - taken) {
            out[taken++] = i;
        }
    }
}
