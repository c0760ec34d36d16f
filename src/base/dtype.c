/* dtype.c: names and sizes of dtypes, type promotion, numbers as elements.
 *
 * Holds true: promotion is PyTorch's, so commutative and (within a pool) associative. Nothing here depends on
 * a state: plug-ins have it too. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base.h"

static const char *const names[] = {
#define X(NAME, name, bytes, category) #name,
    CR_DTYPES(X)
#undef X
};

static bool valid(cr_dtype d) { return d >= 0 && d < CR_DTYPE_COUNT; }

const char *cr_dtype_name(cr_dtype d) { return valid(d) ? names[d] : "none"; }
size_t cr_dtype_size(cr_dtype d) { return valid(d) ? cr__size_of(d) : 0; }
cr_category cr_dtype_category(cr_dtype d) { return valid(d) ? cr__category(d) : CR_BOOLEAN; }

cr_dtype cr_dtype_parse(const char *name) {
  for (int d = 0; name && d < CR_DTYPE_COUNT; d++)
    if (strcmp(name, names[d]) == 0) return (cr_dtype)d;
  return CR_DTYPE_NONE;
}

/* ---- Promotion ---- */

cr_dtype cr__promote_types(cr_dtype a, cr_dtype b) {
  if (a == b) return a;
  cr_category ca = cr__category(a), cb = cr__category(b);
  if (ca != cb && !cr__are_apart(a, b)) return ca > cb ? a : b;
  size_t na = cr__size_of(a), nb = cr__size_of(b);
  if (cr__are_apart(a, b)) return cr__is_stored(a) ? a : b; /* which whoever computes refuses */
  if (ca == CR_FLOATING) return na == nb ? CR_FLOAT32 : na > nb ? a : b; /* float16 + bfloat16 */
  if (a == CR_UINT8 || b == CR_UINT8) { /* the signed one, if it holds every uint8 */
    cr_dtype other = a == CR_UINT8 ? b : a;
    return other == CR_INT8 ? CR_INT16 : other;
  }
  return na > nb ? a : b;
}

cr_dtype cr_promote_types(cr_dtype a, cr_dtype b) {
  bool known = a >= 0 && a < CR_DTYPE_COUNT && b >= 0 && b < CR_DTYPE_COUNT;
  if (known && cr__are_apart(a, b)) cr__fail_apart("promote_types", a, b);
  return known && !cr__are_apart(a, b) ? cr__promote_types(a, b) : CR_DTYPE_NONE;
}

int cr__fail_apart(const char *op, cr_dtype a, cr_dtype b) {
  return cr__fail(CR_E_DTYPE,
                  "%s: %s and %s have no dtype in common, as %s is for storage; convert it with "
                  ":to(dtype)",
                  op, cr_dtype_name(a), cr_dtype_name(b), cr_dtype_name(cr__is_stored(a) ? a : b));
}

void cr__promote_add(cr__promotion *p, int pool, cr_dtype dtype) {
  int8_t *d = &p->pool[pool];
  *d = (int8_t)(*d < 0 ? dtype : cr__promote_types((cr_dtype)*d, dtype));
}

/* `high` is the pool whose dtype stays where both are of one category. */
static int combine(int high, int low) {
  if (high < 0 || low < 0) return high < 0 ? low : high;
  cr_category h = cr__category((cr_dtype)high), l = cr__category((cr_dtype)low);
  return l > h ? low : high;
}

cr_dtype cr__promote_result(const cr__promotion *p) {
  return (cr_dtype)combine(p->pool[0], combine(p->pool[1], p->pool[2]));
}

bool cr__can_cast(cr_dtype from, cr_dtype to) { return cr__category(from) <= cr__category(to); }

/* ---- Numbers as elements ---- */

static uint32_t bits_of(float x) {
  union {
    float f;
    uint32_t u;
  } v = {x};
  return v.u;
}

static float float_of(uint32_t u) {
  union {
    uint32_t u;
    float f;
  } v = {u};
  return v.f;
}

uint16_t cr__float_to_half(float x) {
  uint32_t u = bits_of(x), magnitude = u & 0x7fffffff;
  uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
  if (magnitude > 0x7f800000) return sign | 0x7e00;  /* NaN */
  if (magnitude >= 0x477ff000) return sign | 0x7c00; /* rounds to infinity */
  if (magnitude < 0x38800000) { /* subnormal: adding 0.5 lets the FPU round at bit 2^-24 */
    return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
  }
  uint32_t even = magnitude >> 13 & 1;
  return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + even) >> 13));
}

float cr__half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
  if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13);
  if (exponent) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
  float magnitude = (float)fraction * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

uint16_t cr__float_to_bfloat(float x) {
  uint32_t u = bits_of(x);
  if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40); /* NaN stays NaN */
  return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

const int64_t cr__int_low[CR_DTYPE_COUNT] =
    {[CR_INT64] = INT64_MIN, [CR_INT32] = INT32_MIN, [CR_INT16] = INT16_MIN, [CR_INT8] = INT8_MIN};
const int64_t cr__int_high[CR_DTYPE_COUNT] =
    {[CR_INT64] = INT64_MAX,   [CR_INT32] = INT32_MAX,   [CR_INT16] = INT16_MAX,
     [CR_INT8] = INT8_MAX,     [CR_UINT8] = UINT8_MAX,   [CR_BOOL] = 1,
     [CR_UINT16] = UINT16_MAX, [CR_UINT32] = UINT32_MAX, [CR_UINT64] = -1};

double cr__largest(cr_dtype dtype) {
  switch (dtype) {
  case CR_FLOAT64: return DBL_MAX;
  case CR_FLOAT32: return (double)FLT_MAX;
  case CR_FLOAT16: return 65504;
  default: return 0x1.fep127; /* bfloat16 */
  }
}

/* True if the finite x becomes infinite as an element of a floating dtype. */
static bool overflows(cr_dtype dtype, double x) {
  float y = (float)x;
  if (dtype == CR_FLOAT64) return false;
  if (dtype == CR_FLOAT16) return (cr__float_to_half(y) & 0x7fff) == 0x7c00;
  if (dtype == CR_BFLOAT16) return (cr__float_to_bfloat(y) & 0x7fff) == 0x7f80;
  return isinf(y);
}

bool cr__fits_slow(cr_dtype dtype, const cr_value *number) {
  double x = number->kind == CR_FLOAT ? number->u.f : (double)number->u.i;
  if (dtype == CR_BOOL || number->kind == CR_BOOLEAN_VALUE) return true;
  if (cr__is_float(dtype)) return !isfinite(x) || !overflows(dtype, x);
  if (dtype == CR_UINT64) /* an integer stands for its bits */
    return number->kind == CR_INT || (trunc(x) >= 0 && x < 0x1p64);
  if (number->kind == CR_INT)
    return number->u.i >= cr__int_low[dtype] && number->u.i <= cr__int_high[dtype];
  x = trunc(x); /* a fraction is cut off; the bound above, one more than the highest, is exact */
  return x >= (double)cr__int_low[dtype] && x < (double)cr__int_high[dtype] + 1;
}

cr_value cr__saturated(cr_dtype dtype, const cr_value *number) {
  bool above = number->kind == CR_FLOAT ? number->u.f > 0 : number->u.i > 0;
  if (cr__fits(dtype, number)) return *number;
  if (cr__is_float(dtype)) return cr_float(above ? cr__largest(dtype) : -cr__largest(dtype));
  return cr_int(above ? cr__int_high[dtype] : cr__int_low[dtype]);
}

int cr__check_store(const char *op, cr_dtype dtype, const cr_value *number) {
  char text[32];
  if (CR__LIKELY(cr__fits(dtype, number))) return 0;
  if (number->kind == CR_FLOAT) snprintf(text, sizeof text, "%.14g", number->u.f);
  else snprintf(text, sizeof text, "%lld", (long long)number->u.i);
  if (cr__is_float(dtype))
    return cr__fail(CR_E_ARGUMENT, "%s: %s does not fit %s, whose numbers end at %.5g", op, text,
                    cr_dtype_name(dtype), cr__largest(dtype));
  if (dtype == CR_UINT64)
    return cr__fail(CR_E_ARGUMENT, "%s: %s does not fit uint64, which holds 0 to %llu", op, text,
                    (unsigned long long)UINT64_MAX);
  return cr__fail(CR_E_ARGUMENT, "%s: %s does not fit %s, which holds %lld to %lld", op, text,
                  cr_dtype_name(dtype), (long long)cr__int_low[dtype],
                  (long long)cr__int_high[dtype]);
}

/* Truncates; what no int64 can hold becomes the lowest one, as x86 has it. */
static int64_t to_int(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }

void cr__store_scalar(void *out, cr_dtype dtype, const cr_value *number) {
  bool real = number->kind == CR_FLOAT;
  double f = real ? number->u.f : (double)number->u.i;
  int64_t i = real ? to_int(f) : number->u.i;
  switch (dtype) {
  case CR_FLOAT64: *(double *)out = f; return;
  case CR_FLOAT32: *(float *)out = (float)f; return;
  case CR_FLOAT16: *(uint16_t *)out = cr__float_to_half((float)f); return;
  case CR_BFLOAT16: *(uint16_t *)out = cr__float_to_bfloat((float)f); return;
  case CR_INT64: *(int64_t *)out = i; return;
  case CR_INT32: *(int32_t *)out = (int32_t)i; return;
  case CR_INT16: *(int16_t *)out = (int16_t)i; return;
  case CR_INT8: *(int8_t *)out = (int8_t)i; return;
  case CR_UINT8: *(uint8_t *)out = (uint8_t)i; return;
  case CR_BOOL: *(uint8_t *)out = real ? f != 0 : i != 0; return;
  case CR_UINT16: *(uint16_t *)out = (uint16_t)i; return;
  case CR_UINT32: *(uint32_t *)out = (uint32_t)i; return;
  case CR_UINT64: *(uint64_t *)out = real && f >= 0x1p63 ? (uint64_t)f : (uint64_t)i; return;
  default: return;
  }
}

cr_value cr__load_scalar(const void *in, cr_dtype dtype) {
  switch (dtype) {
  case CR_FLOAT64: return cr_float(*(const double *)in);
  case CR_FLOAT32: return cr_float((double)*(const float *)in);
  case CR_FLOAT16: return cr_float((double)cr__half_to_float(*(const uint16_t *)in));
  case CR_BFLOAT16: return cr_float((double)cr__bfloat_to_float(*(const uint16_t *)in));
  case CR_INT64: return cr_int(*(const int64_t *)in);
  case CR_INT32: return cr_int(*(const int32_t *)in);
  case CR_INT16: return cr_int(*(const int16_t *)in);
  case CR_INT8: return cr_int(*(const int8_t *)in);
  case CR_UINT8: return cr_int(*(const uint8_t *)in);
  case CR_BOOL: return cr_bool(*(const uint8_t *)in != 0);
  case CR_UINT16: return cr_int(*(const uint16_t *)in);
  case CR_UINT32: return cr_int(*(const uint32_t *)in);
  case CR_UINT64: return cr_int((int64_t) * (const uint64_t *)in);
  default: return cr_none();
  }
}
