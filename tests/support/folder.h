/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder of one test. */
#ifndef WEIR_TESTS_SUPPORT_FOLDER_H
#define WEIR_TESTS_SUPPORT_FOLDER_H

#include <stddef.h>

#define TEST_FOLDER_BYTES 256

/* 0 on success. */
int test_folder_make(char folder[TEST_FOLDER_BYTES]);
void test_folder_remove(const char *folder);
/* Writes folder + path (path begins with '/'), making the folders between; fails the test when it cannot. */
void test_folder_write(const char *folder, const char *path, const void *bytes, size_t count);

#endif
