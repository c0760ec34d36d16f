/* elements.c: what moves elements without a look at them moves those of every size, up to CR__MAX_ELEMENT. Linked
 * with the library's objects, as these functions are not public. The program prints the promises that are broken and
 * returns how many they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/convert.h"
#include "cpu/index.h"
#include "cpu/transpose.h"

enum { N = 700 };

static int broken;
static char from[N * CR__MAX_ELEMENT], want[N * CR__MAX_ELEMENT];
static _Alignas(64) char to[N * CR__MAX_ELEMENT];

static void check(size_t size, const char *promise) {
  if (memcmp(to, want, sizeof to) == 0) return;
  broken++;
  printf("broken: %s, of %zu bytes\n", promise, size);
}

static void clear(void) {
  memset(to, 0, sizeof to);
  memset(want, 0, sizeof want);
}

/* What is wanted at element i: element j of the source. */
static void expect(size_t size, int64_t i, int64_t j) {
  memcpy(want + i * (int64_t)size, from + j * (int64_t)size, size);
}

static void one_repeated(size_t size) {
  clear();
  for (int i = 0; i < N; i++) expect(size, i, 3);
  cr__splat(to, from + 3 * size, size, N);
  check(size, "an element is repeated");
  memset(to, 0, sizeof to);
  cr__splat_past(to, from + 3 * size, size, N);
  check(size, "also past the caches");
}

static void steps(size_t size) {
  for (int step = -3; step <= 3; step++) {
    clear();
    for (int i = 0; i < 100; i++) expect(size, i, 300 + i * step);
    cr__index_loops_here()->step[cr__size_kind((int64_t)size)](to, from + 300 * size, step, 100);
    check(size, "elements are read with a step");
  }
}

static void positions(size_t size) {
  int64_t offset[100];
  int kind = cr__size_kind((int64_t)size);
  for (int i = 0; i < 100; i++) offset[i] = (i * 37) % N;
  clear();
  for (int i = 0; i < 100; i++) expect(size, i, offset[i]);
  cr__index_loops_here()->take[kind](to, 1, from, 0, offset, 100);
  check(size, "elements are taken from positions");
  clear();
  for (int i = 0; i < 100; i++) expect(size, offset[i], i);
  cr__index_loops_here()->put[kind](to, 0, offset, from, 1, 100, false);
  check(size, "and put there");
}

static void transposes(size_t size) {
  enum { ROWS = 19, COLUMNS = 21 };
  clear();
  for (int r = 0; r < ROWS; r++)
    for (int k = 0; k < COLUMNS; k++) expect(size, r * COLUMNS + k, k * ROWS + r);
  cr__transpose(to, COLUMNS, from, ROWS, size, ROWS, COLUMNS);
  check(size, "rows become columns");
}

int main(void) {
  for (size_t i = 0; i < sizeof from; i++) from[i] = (char)(i * 7 + i / 256 + 1);
  for (size_t size = 1; size <= CR__MAX_ELEMENT; size *= 2) {
    one_repeated(size);
    steps(size);
    positions(size);
    transposes(size);
  }
  for (int d = 0; d < CR_DTYPE_COUNT; d++)
    if (cr__size_of((cr_dtype)d) > CR__MAX_ELEMENT) broken++, printf("a dtype is larger\n");
  return broken;
}
