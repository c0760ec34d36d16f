/* scalar_special.h: special functions of one floating type; scalar.h includes this once per type.
 *
 * Holds true: what scalar_float.h says, except in sinc_part, which is slow and has branches. Where the
 * formulas are from:
 *   lgamma     scalar_gamma.h
 *   erfinv     interpolation at the nodes of Chebyshev (mpmath, 60 digits), of erfinv(x) / x by x^2 up to
 *              |x| = 0.6, of erfinv(x) / r by r = sqrt(-log(1 - |x|)) in three parts beyond
 *   digamma    M. Abramowitz, I. Stegun, Handbook of Mathematical Functions (1964): the recurrence
 *              6.3.5 up to 10, from there the asymptotic series 6.3.18, the reflection 6.3.7; between 1 and 2, where its root
 *              is, the root's distance times an interpolation as above
 *   sinc       its derivatives up to |pi x| = 1 + n by the power series, beyond by n f(n - 1) + z f(n)
 *              being the n-th derivative of the sine */

/* cos(pi x): 0 exactly where it is */
CR__SCALAR T F(cos_pi)(T x) { /* a quarter is exact, and the sine is best near 0 */
  T size = M(fabs)(x - 2 * M(rint)(x * (T)0.5));
  return F(sin_pi)((T)0.5 - size);
}

CR__SCALAR T F(sinc)(T x) {
  T value = F(sin_pi)(x) / ((T)3.14159265358979323846 * x);
  value = M(fabs)(x) == (T)INFINITY ? 0 : value;
  return x == 0 ? 1 : value;
}

/* The n-th derivative of sin(z) / z, n >= 0, for z = pi x, by the power series: the sum over k of
 * (-1)^k z^(2k - n) / ((2k - n)! (2k + 1)). */
CR__SCALAR T F(sinc_series)(T z, int n) {
  int k = (n + 1) / 2;
  T term = (k & 1 ? -1 : 1) * (2 * k > n ? z : 1), sum = 0;
  for (; k < n + 24; k++) {
    sum += term / (T)(2 * k + 1);
    term *= -z * z / ((T)(2 * k - n + 1) * (T)(2 * k - n + 2));
  }
  return sum;
}

/* The n-th derivative of sinc. */
CR__SCALAR T F(sinc_part)(T x, T order) {
  int n = (int)order;
  T pi = (T)3.14159265358979323846, z = pi * x, f;
  if (M(fabs)(x) == (T)INFINITY) return 0;
  if (M(fabs)(z) < (T)(1 + n)) {
    f = F(sinc_series)(z, n);
  } else {
    T s = F(sin_pi)(x), c = F(cos_pi)(x);
    f = s / pi / x; /* z itself may overflow */
    for (int j = 1; j <= n; j++) {
      T turned = j % 2 ? c : s; /* the j-th derivative of the sine, but for its sign */
      f = ((j & 2 ? -turned : turned) - (T)j * f) / pi / x;
    }
  }
  for (int j = 0; j < n; j++) f *= pi;
  return f;
}

/* A polynomial in t, constant first. */
CR__SCALAR T F(polynomial)(T t, const T *c, int n) {
  T p = c[n - 1];
  for (int i = n - 2; i >= 0; i--) p = p * t + c[i];
  return p;
}

CR__SCALAR T F(erfinv)(T x) {
  const T middle[] = {(T)9.32706666274988144e-1,  (T)5.18747039071775332e-2,
                      (T)6.18180857672877195e-3,  (T)9.14802740364911836e-4,
                      (T)1.50130130495433399e-4,  (T)2.61779777142640686e-5,
                      (T)4.74999564444995474e-6,  (T)8.86477048704441096e-7,
                      (T)1.68937783332707066e-7,  (T)3.27199368143074021e-8,
                      (T)6.42212667829456606e-9,  (T)1.27324862331177022e-9,
                      (T)2.5128693733297014e-10,  (T)5.06106383613857748e-11,
                      (T)1.23209510996255372e-11, (T)2.51520865923931766e-12};
  /* 1 less the quotient by r, for r from 0.95, 1.8 and 3.3 on */
  const T near[] = {(T)2.61478345869224815e-1,  (T)-9.06696386369405149e-2,
                    (T)2.30828777504738271e-2,  (T)-4.81788945209050755e-3,
                    (T)7.995799381895325e-4,    (T)-8.27369720163190066e-5,
                    (T)-6.39714592024771931e-6, (T)6.55717997947462797e-6,
                    (T)-2.23338992225276639e-6, (T)5.3554401390509496e-7,
                    (T)-9.23339695351471616e-8, (T)7.35021843779918388e-9,
                    (T)2.28698321931471923e-9,  (T)-1.38377739211459885e-9,
                    (T)4.46406275735500579e-10, (T)-9.95030304532449204e-11,
                    (T)1.17898966856874248e-11};
  const T far[] = {(T)1.19653605018462163e-1,   (T)-4.88712011624128618e-2,
                   (T)1.54432035402684911e-2,   (T)-4.34387091110848593e-3,
                   (T)1.12799379979679717e-3,   (T)-2.72940823564279485e-4,
                   (T)6.12341951253591398e-5,   (T)-1.24695944970970652e-5,
                   (T)2.17659793243593989e-6,   (T)-2.6597201661490553e-7,
                   (T)-9.03776615984906187e-9,  (T)2.12446140803099139e-8,
                   (T)-9.71432036528548493e-9,  (T)3.33248616406946433e-9,
                   (T)-9.71615226208563321e-10, (T)2.63347442891113388e-10,
                   (T)-7.36698727845774419e-11, (T)1.42256718980573108e-11};
  const T farthest[] = {(T)4.85707700648169987e-2,  (T)-2.23703204119717831e-2,
                        (T)8.06196929215487646e-3,  (T)-2.63279509888391797e-3,
                        (T)8.13120106458294109e-4,  (T)-2.41731339299675706e-4,
                        (T)6.97695888753839708e-5,  (T)-1.96351517710095902e-5,
                        (T)5.39870700519022307e-6,  (T)-1.45072158585173398e-6,
                        (T)3.80610192664822499e-7,  (T)-9.72408149775999374e-8,
                        (T)2.40563395975734797e-8,  (T)-5.7206997695036313e-9,
                        (T)1.31313189187690122e-9,  (T)-2.80774654738276952e-10,
                        (T)4.01531310942561461e-11, (T)-3.5800034551989103e-13};
  T size = M(fabs)(x);
  T inside = x * F(polynomial)(x * x * (T)(1 / 0.18) - 1, middle, 16);
  T r = M(sqrt)(-F(log)(1 - size)); /* 1 - |x| is exact from 1/2 on */
  T a = F(polynomial)((r - (T)1.375) * (T)(1 / 0.425), near, 17);
  T b = F(polynomial)((r - (T)2.55) * (T)(1 / 0.75), far, 18);
  T c = F(polynomial)((r - (T)4.7) * (T)(1 / 1.4), farthest, 18);
  T less = r < (T)1.8 ? a : r < (T)3.3 ? b : c;
  T outside = M(copysign)(r - r * less, x);
  T y = size <= (T)0.6 ? inside : outside;
  return size == 1 ? x * (T)INFINITY : y;
}

CR__SCALAR T F(digamma)(T x) {
  const T around_root[] = {(T)9.51055876031832893e-1,  (T)-2.11813710640730252e-1,
                           (T)6.01356210601935546e-2,  (T)-1.85506153817386072e-2,
                           (T)5.93679527843382583e-3,  (T)-1.93506666478326662e-3,
                           (T)6.36888028319074e-4,     (T)-2.10748412157330069e-4,
                           (T)6.99502048416062476e-5,  (T)-2.32582382843137593e-5,
                           (T)7.74115688125370707e-6,  (T)-2.5781078482702169e-6,
                           (T)8.59132422241766613e-7,  (T)-2.86287552800386846e-7,
                           (T)9.50092619292409624e-8,  (T)-3.16661807202716207e-8,
                           (T)1.10370884388543002e-8,  (T)-3.6788868183645545e-9,
                           (T)8.66825737376165726e-10, (T)-2.88936363921611136e-10,
                           (T)2.47654744400317636e-10, (T)-8.25512972008104003e-11};
  T y = x < 0 ? 1 - x : x, sum = 0;
  for (int i = 0; i < 10; i++) {
    T less = y < 10 ? 1 / y : 0;
    sum -= less;
    y += (T)(y < 10);
  }
  T z = 1 / y / y;
  T series =
      z * ((T)(1. / 12) -
           z * ((T)(1. / 120) -
                z * ((T)(1. / 252) -
                     z * ((T)(1. / 240) -
                          z * ((T)(1. / 132) - z * ((T)(691. / 32760) - z * (T)(1. / 12)))))));
  T right = sum + F(log)(y) - (T)0.5 / y - series;
  /* The root in two parts: its nearest number, and what that lacks. */
  T root = (T)1.4616321449683623;
  T lacks = (T)((1.4616321449683623 - (double)root) + 9.5499954299656977e-17);
  T near_root = ((x - root) - lacks) * F(polynomial)(2 * x - 3, around_root, 22);
  right = ((x >= 1) & (x <= 2)) ? near_root : right;
  T off = x - M(rint)(x), pi = (T)3.14159265358979323846;
  T left = off == 0 ? (T)NAN : right - pi / F(tan_near)(pi * off);
  return x == 0 ? M(copysign)((T)INFINITY, -x) : x < 0 ? left : right;
}
