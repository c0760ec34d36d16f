/* step_rules.h: one step of each optimizer's rule on one element; step.h includes it for each type.
 *
 * Holds true: the formulas are PyTorch's, in their order of operations, made of + - * / and sqrt alone, so
 * that every instruction set and device gives the same bits (objects that include this file are built without
 * contraction). T is the type, S its suffix. f: the row's numbers, in the order of CR__RULES; `on`, its
 * switches, and `decays` are the same for all elements of a loop. */

#ifdef __CUDACC__
#define STEP_FN static __host__ __device__ __forceinline__
#else
#define STEP_FN static inline __attribute__((always_inline, unused))
#endif

/* p and a, b, c are the element of the parameter and of the rule's lists; not all are there. */
#define RULE(name)                                                                                 \
  STEP_FN void CR__STEP_NAME(name, S)(const T *f, bool decays, unsigned on, T *p, T g, T *a, T *b, \
                                      T *c)
#define UNUSED(x) (void)(x)

/* The gradient with its sign and the decay. */
STEP_FN T CR__STEP_NAME(signed, S)(const T *f, bool decays, T p, T g) {
  g = g * f[1];
  return decays ? g + p * f[0] : g;
}
#define GRADIENT CR__STEP_NAME(signed, S)(f, decays, *p, g)

/* How far along the way from one to the other, from the nearer end. */
STEP_FN T CR__STEP_NAME(lerp, S)(T from, T to, T share) {
  return share < (T)0.5 ? from + (to - from) * share : to - (to - from) * (1 - share);
}
#define LERP CR__STEP_NAME(lerp, S)

/* The larger one; NaN if either is. */
STEP_FN T CR__STEP_NAME(larger, S)(T x, T y) { return x > y || x != x ? x : y; }
#define LARGER CR__STEP_NAME(larger, S)

/* a: the buffer. */
RULE(sgd) {
  g = GRADIENT;
  if (on & CR__SGD_MOMENTUM) {
    T m = on & CR__SGD_FIRST ? g : *a * f[3] + g * f[4];
    *a = m;
    g = on & CR__SGD_NESTEROV ? g + m * f[3] : m;
  }
  *p = *p - g * f[2];
  UNUSED(b), UNUSED(c);
}

/* a, b: the means of gradients and of their squares; c: the largest of the latter. */
RULE(adam) {
  const T shrink = f[2], towards = f[3], kept = f[4], added = f[5], eps = f[6], rate = f[7],
          root = f[8];
  T x = *p * shrink;
  g = GRADIENT;
  T m = LERP(*a, g, towards), v = *b * kept + g * g * added;
  T s = v;
  if (on & CR__ADAM_AMSGRAD) {
    s = LARGER(*c, v);
    *c = s;
  }
  *a = m;
  *b = v;
  *p = x - m * rate / (SQRT(s) / root + eps);
}

/* a: the mean of squares; b: of gradients; c: the buffer. */
RULE(rmsprop) {
  const T kept = f[2], added = f[3], eps = f[4], rate = f[5], momentum = f[6];
  g = GRADIENT;
  T v = *a * kept + g * g * added, s = v;
  *a = v;
  if (on & CR__RMSPROP_CENTERED) {
    T m = LERP(*b, g, added);
    *b = m;
    s = v - m * m;
  }
  T size = SQRT(s) + eps;
  if (on & CR__RMSPROP_MOMENTUM) {
    T m = *c * momentum + g / size;
    *c = m;
    *p = *p - m * rate;
  } else {
    *p = *p - g * rate / size;
  }
}

/* a: the sum of squares. */
RULE(adagrad) {
  const T eps = f[2], rate = f[3];
  g = GRADIENT;
  T v = *a + g * g;
  *a = v;
  *p = *p - g * rate / (SQRT(v) + eps);
  UNUSED(on), UNUSED(b), UNUSED(c);
}

/* a, b: the means of the squares of gradients and of changes. */
RULE(adadelta) {
  const T kept = f[2], added = f[3], eps = f[4], rate = f[5];
  g = GRADIENT;
  T v = *a * kept + g * g * added;
  T change = SQRT(*b + eps) / SQRT(v + eps) * g;
  *a = v;
  *b = *b * kept + change * change * added;
  *p = *p - change * rate;
  UNUSED(on), UNUSED(c);
}

/* a: the mean of gradients; b: their largest size of late. */
RULE(adamax) {
  const T towards = f[2], kept = f[3], eps = f[4], rate = f[5];
  g = GRADIENT;
  T m = LERP(*a, g, towards), size = (g < 0 ? -g : g) + eps, most = LARGER(*b * kept, size);
  *a = m;
  *b = most;
  *p = *p - m * rate / most;
  UNUSED(on), UNUSED(c);
}

/* a, b: the means of gradients and of their squares. */
RULE(nadam) {
  const T shrink = f[2], towards = f[3], kept = f[4], added = f[5], eps = f[6], bias = f[7];
  T x = *p * shrink;
  g = GRADIENT;
  T m = LERP(*a, g, towards), v = *b * kept + g * g * added, size = SQRT(v / bias) + eps;
  *a = m;
  *b = v;
  x = x - g * f[8] / size;
  *p = x - m * f[9] / size;
  UNUSED(on), UNUSED(c);
}

/* a, b: the means of gradients and of their squares. */
RULE(radam) {
  const T shrink = f[2], towards = f[3], kept = f[4], added = f[5], eps = f[6], bias = f[7];
  const T rate = f[8], root = f[9], rectifier = f[10];
  T x = *p * shrink;
  g = GRADIENT;
  T m = LERP(*a, g, towards), v = *b * kept + g * g * added, change = m / bias * rate;
  *a = m;
  *b = v;
  T adapted = change * (root / (SQRT(v) + eps)) * rectifier;
  *p = x - (rectifier != 0 ? adapted : change);
  UNUSED(on), UNUSED(c);
}

/* a: the gradient before; b: the length of the step. The sign of NaN is 0. */
RULE(rprop) {
  const T shorter = f[2], longer = f[3], least = f[4], most = f[5];
  g = GRADIENT;
  T both = g * *a, factor = both > 0 ? longer : both < 0 ? shorter : 1;
  T length = *b * factor;
  length = length < least ? least : length;
  length = length > most ? most : length;
  g = factor == shorter ? 0 : g;
  T way = (T)(g > 0) - (T)(g < 0);
  *a = g;
  *b = length;
  *p = *p - way * length;
  UNUSED(on), UNUSED(c);
}

/* a: the average; a share of 1 makes it the parameter itself. */
RULE(asgd) {
  const T shrink = f[2], rate = f[3], share = f[4];
  g = GRADIENT;
  T x = *p * shrink - g * rate;
  *a = share == 1 ? x : *a + (x - *a) * share;
  *p = x;
  UNUSED(on), UNUSED(b), UNUSED(c);
}

#undef STEP_FN
#undef RULE
#undef UNUSED
#undef GRADIENT
#undef LERP
#undef LARGER
