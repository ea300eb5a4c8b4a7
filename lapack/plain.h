/* SPDX-License-Identifier: Apache-2.0 */
/* Orthogonal factorizations without any room, one reflector after the other: what is left when the heap has none. */
#ifndef WEIR_LAPACK_PLAIN_H
#define WEIR_LAPACK_PLAIN_H

#include "dense/strided.h"

void plain_geqrf(const weir_matrix *a, void *tau);
void plain_orgqr(const weir_matrix *a, int64_t k, const void *tau);
/* C := Q C, or Q'C. */
void plain_ormqr(bool trans, const weir_matrix *a, const void *tau, const weir_matrix *c);
/* T of the reflectors in V (tau NULL: those on the diagonal of T), and C := (I - V op(T) V') C. */
void plain_larft(const weir_matrix *v, const void *tau, const weir_matrix *t);
void plain_larfb(bool trans, const weir_matrix *v, const weir_matrix *t, const weir_matrix *c);

#endif
