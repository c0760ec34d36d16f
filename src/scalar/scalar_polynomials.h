/* scalar_polynomials.h: the polynomials of the elementary functions. Written by polynomials.py.
 *
 * Holds true: the number behind each is the largest error that it brings into the function that it is for, in
 * halves of a unit in the last place. */
#ifndef CR__SCALAR_POLYNOMIALS_H
#define CR__SCALAR_POLYNOMIALS_H

/* (e^r - 1 - r) / r^2, |r| <= log(2) / 2 */
CR__SCALAR float f32_exp_rest(float x) { /* 0.078 */
  float p = 0x1.6db84e0000000p-10f;
  p = f32_fma(p, x, 0x1.123ce00000000p-7f);
  p = f32_fma(p, x, 0x1.5554580000000p-5f);
  p = f32_fma(p, x, 0x1.55548c0000000p-3f);
  return f32_fma(p, x, 0x1.0000000000000p-1f);
}
CR__SCALAR double f64_exp_rest(double x) { /* 0.0037 */
  double y = x * x;
  double p0 = 0x1.1f9d984c1b6d9p-29;
  p0 = f64_fma(p0, y, 0x1.27e4bf76291acp-22);
  p0 = f64_fma(p0, y, 0x1.a01a01b42d0a2p-16);
  p0 = f64_fma(p0, y, 0x1.6c16c16c1362fp-10);
  p0 = f64_fma(p0, y, 0x1.555555555555dp-5);
  p0 = f64_fma(p0, y, 0x1.0000000000000p-1);
  double p1 = 0x1.af6e24faa3e14p-26;
  p1 = f64_fma(p1, y, 0x1.71ddeed1d00cap-19);
  p1 = f64_fma(p1, y, 0x1.a01a01b407304p-13);
  p1 = f64_fma(p1, y, 0x1.111111110eaf3p-7);
  p1 = f64_fma(p1, y, 0x1.555555555555cp-3);
  return f64_fma(p1, x, p0);
}

/* (2^r - 1) / r, |r| <= 1/2 */
CR__SCALAR float f32_exp2_rest(float x) { /* 0.26 */
  float y = x * x;
  float p0 = 0x1.5f497c0000000p-10f;
  p0 = f32_fma(p0, y, 0x1.c6aecc0000000p-5f);
  p0 = f32_fma(p0, y, 0x1.62e4300000000p-1f);
  float p1 = 0x1.4492440000000p-13f;
  p1 = f32_fma(p1, y, 0x1.3b29a60000000p-7f);
  p1 = f32_fma(p1, y, 0x1.ebfbe00000000p-3f);
  return f32_fma(p1, x, p0);
}
CR__SCALAR double f64_exp2_rest(double x) { /* 0.12 */
  double y = x * x, z = y * y;
  double p0 = 0x1.b524da89d3792p-24;
  p0 = f64_fma(p0, z, 0x1.5d87fe78a21b3p-10);
  p0 = f64_fma(p0, z, 0x1.62e42fefa39efp-1);
  double p1 = 0x1.e4cee73e7cac3p-28;
  p1 = f64_fma(p1, z, 0x1.430912f868c35p-13);
  p1 = f64_fma(p1, z, 0x1.ebfbdff82c58fp-3);
  double p2 = 0x1.ea0561b64b9b4p-32;
  p2 = f64_fma(p2, z, 0x1.ffcbfc763f22ep-17);
  p2 = f64_fma(p2, z, 0x1.c6b08d704a0d1p-5);
  double p3 = 0x1.c4dbf587b7e25p-36;
  p3 = f64_fma(p3, z, 0x1.62c0224dec064p-20);
  p3 = f64_fma(p3, z, 0x1.3b2ab6fba4e82p-7);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* (cosh r - 1) / r^2 of z = r^2, |r| <= log(2) / 2 */
CR__SCALAR float f32_cosh_rest(float x) { /* 0.017 */
  float p = 0x1.6d99860000000p-10f;
  p = f32_fma(p, x, 0x1.55547c0000000p-5f);
  return f32_fma(p, x, 0x1.0000000000000p-1f);
}
CR__SCALAR double f64_cosh_rest(double x) { /* 0.00016 */
  double y = x * x;
  double p0 = 0x1.27e4c46f87f9dp-22;
  p0 = f64_fma(p0, y, 0x1.6c16c16c13e34p-10);
  p0 = f64_fma(p0, y, 0x1.0000000000000p-1);
  double p1 = 0x1.1f9625f971213p-29;
  p1 = f64_fma(p1, y, 0x1.a01a01b1c54e7p-16);
  p1 = f64_fma(p1, y, 0x1.555555555555cp-5);
  return f64_fma(p1, x, p0);
}

/* (sinh r - r) / r^3 of z = r^2, |r| <= log(2) / 2 */
CR__SCALAR float f32_sinh_rest(float x) { /* 0.0081 */
  float p = 0x1.a171b00000000p-13f;
  p = f32_fma(p, x, 0x1.1110b00000000p-7f);
  return f32_fma(p, x, 0x1.5555560000000p-3f);
}
CR__SCALAR double f64_sinh_rest(double x) { /* 0.01 */
  double y = x * x;
  double p0 = 0x1.ae641bceabdf8p-26;
  p0 = f64_fma(p0, y, 0x1.a01a01a0187a2p-13);
  p0 = f64_fma(p0, y, 0x1.5555555555555p-3);
  double p1 = 0x1.61d82fa381614p-33;
  p1 = f64_fma(p1, y, 0x1.71de3a5ed869ep-19);
  p1 = f64_fma(p1, y, 0x1.1111111111113p-7);
  return f64_fma(p1, x, p0);
}

/* (log((1 + s) / (1 - s)) / s - 2) / s^2 of z = s^2, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1) */
CR__SCALAR double f64_log_rest(double x) { /* 0.016 */
  double y = x * x;
  double p0 = 0x1.2f06763735299p-3;
  p0 = f64_fma(p0, y, 0x1.74663fafbb332p-3);
  p0 = f64_fma(p0, y, 0x1.24924941f41a8p-2);
  p0 = f64_fma(p0, y, 0x1.5555555555592p-1);
  double p1 = 0x1.39a1a2ff327eap-3;
  p1 = f64_fma(p1, y, 0x1.c71c52064357fp-3);
  p1 = f64_fma(p1, y, 0x1.999999997fd92p-2);
  return f64_fma(p1, x, p0);
}

/* (log(1 + f) - f + f^2 / 2) / f^3, |f| <= 1/3 */
CR__SCALAR float f32_log_cubic_rest(float x) { /* 0.097 */
  float y = x * x;
  float p0 = 0x1.1e6b200000000p-3f;
  p0 = f32_fma(p0, y, 0x1.1ed6560000000p-3f);
  p0 = f32_fma(p0, y, 0x1.99d0320000000p-3f);
  p0 = f32_fma(p0, y, 0x1.5555060000000p-2f);
  float p1 = -0x1.08003a0000000p-3f;
  p1 = f32_fma(p1, y, -0x1.f3143c0000000p-4f);
  p1 = f32_fma(p1, y, -0x1.559daa0000000p-3f);
  p1 = f32_fma(p1, y, -0x1.fffef20000000p-3f);
  return f32_fma(p1, x, p0);
}

/* (sin r - r) / r^3 of z = r^2, |r| <= pi / 2 */
CR__SCALAR float f32_sin_rest(float x) { /* 0.25 */
  float p = -0x1.9ab9a40000000p-26f;
  p = f32_fma(p, x, 0x1.7174660000000p-19f);
  p = f32_fma(p, x, -0x1.a017fa0000000p-13f);
  p = f32_fma(p, x, 0x1.11110c0000000p-7f);
  return f32_fma(p, x, -0x1.5555560000000p-3f);
}
CR__SCALAR double f64_sin_rest(double x) { /* 0.22 */
  double y = x * x;
  double p0 = -0x1.268a4edbae112p-57;
  p0 = f64_fma(p0, y, -0x1.ae7ebc04cb63ep-41);
  p0 = f64_fma(p0, y, -0x1.ae64567d719dcp-26);
  p0 = f64_fma(p0, y, -0x1.a01a01a019fe1p-13);
  p0 = f64_fma(p0, y, -0x1.5555555555555p-3);
  double p1 = 0x1.94ff12f682db3p-49;
  p1 = f64_fma(p1, y, 0x1.612460588413fp-33);
  p1 = f64_fma(p1, y, 0x1.71de3a556a048p-19);
  p1 = f64_fma(p1, y, 0x1.1111111111111p-7);
  return f64_fma(p1, x, p0);
}

/* the same, |r| <= pi / 4 */
CR__SCALAR float f32_sin_short(float x) { /* 0.095 */
  float p = -0x1.994b5a0000000p-13f;
  p = f32_fma(p, x, 0x1.1107580000000p-7f);
  return f32_fma(p, x, -0x1.5555460000000p-3f);
}
CR__SCALAR double f64_sin_short(double x) { /* 0.073 */
  double y = x * x;
  double p0 = -0x1.ae5e60d4ef7d0p-26;
  p0 = f64_fma(p0, y, -0x1.a01a019c0a522p-13);
  p0 = f64_fma(p0, y, -0x1.5555555555549p-3);
  double p1 = 0x1.5d9161851ed6bp-33;
  p1 = f64_fma(p1, y, 0x1.71de357118ef4p-19);
  p1 = f64_fma(p1, y, 0x1.111111110f843p-7);
  return f64_fma(p1, x, p0);
}

/* (cos r - 1 + r^2 / 2) / r^4 of z = r^2, |r| <= pi / 4 */
CR__SCALAR float f32_cos_short(float x) { /* 0.0079 */
  float p = 0x1.99ff8a0000000p-16f;
  p = f32_fma(p, x, -0x1.6c0c820000000p-10f);
  return f32_fma(p, x, 0x1.55554a0000000p-5f);
}
CR__SCALAR double f64_cos_short(double x) { /* 0.011 */
  double y = x * x;
  double p0 = 0x1.1ee9e8a82381bp-29;
  p0 = f64_fma(p0, y, 0x1.a01a019cabc59p-16);
  p0 = f64_fma(p0, y, 0x1.555555555554cp-5);
  double p1 = -0x1.8facdad7bc550p-37;
  p1 = f64_fma(p1, y, -0x1.27e4f8056072fp-22);
  p1 = f64_fma(p1, y, -0x1.6c16c16c15144p-10);
  return f64_fma(p1, x, p0);
}

/* (asin s - s) / s^3 of z = s^2, |s| <= 1/2 */
CR__SCALAR float f32_asin_rest(float x) { /* 0.11 */
  float p = 0x1.5a0d0a0000000p-5f;
  p = f32_fma(p, x, 0x1.8b6af00000000p-6f);
  p = f32_fma(p, x, 0x1.7491980000000p-5f);
  p = f32_fma(p, x, 0x1.33011e0000000p-4f);
  return f32_fma(p, x, 0x1.5555ca0000000p-3f);
}
CR__SCALAR double f64_asin_rest(double x) { /* 0.15 */
  double y = x * x, z = y * y;
  double p0 = 0x1.a9bf55c8fb75dp-8;
  p0 = f64_fma(p0, z, 0x1.6e89ec1b4d2e9p-6);
  p0 = f64_fma(p0, z, 0x1.5555555555382p-3);
  double p1 = 0x1.415c40f67e073p-6;
  p1 = f64_fma(p1, z, 0x1.1c6c5beae1de5p-6);
  p1 = f64_fma(p1, z, 0x1.3333333370252p-4);
  double p2 = -0x1.0c04ffd8d0c24p-6;
  p2 = f64_fma(p2, z, 0x1.c6f45e04c66ecp-7);
  p2 = f64_fma(p2, z, 0x1.6db6db416afe6p-5);
  double p3 = 0x1.062d37552b758p-5;
  p3 = f64_fma(p3, z, 0x1.8f005444b7f32p-7);
  p3 = f64_fma(p3, z, 0x1.f1c72c903bd63p-6);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* (atan t - t) / t^3 of z = t^2, |t| <= 1 */
CR__SCALAR float f32_atan_rest(float x) { /* 0.23 */
  float y = x * x;
  float p0 = -0x1.dee8280000000p-10f;
  p0 = f32_fma(p0, y, -0x1.01aaca0000000p-5f);
  p0 = f32_fma(p0, y, -0x1.58db660000000p-4f);
  p0 = f32_fma(p0, y, -0x1.2426f20000000p-3f);
  p0 = f32_fma(p0, y, -0x1.5555400000000p-2f);
  float p1 = 0x1.6a842c0000000p-7f;
  p1 = f32_fma(p1, y, 0x1.dd0aa60000000p-5f);
  p1 = f32_fma(p1, y, 0x1.c0d2380000000p-4f);
  p1 = f32_fma(p1, y, 0x1.9992760000000p-3f);
  return f32_fma(p1, x, p0);
}
CR__SCALAR double f64_atan_rest(double x) { /* 0.29 */
  double y = x * x, z = y * y;
  double p0 = -0x1.2800bc1a7cec6p-17;
  p0 = f64_fma(p0, z, -0x1.7349b0bf714cep-8);
  p0 = f64_fma(p0, z, -0x1.0d0a27a3be369p-5);
  p0 = f64_fma(p0, z, -0x1.aedcc30de46d5p-5);
  p0 = f64_fma(p0, z, -0x1.745d15e545644p-4);
  p0 = f64_fma(p0, z, -0x1.555555555554ep-2);
  double p1 = 0x1.1d5f4bf46395dp-9;
  p1 = f64_fma(p1, z, 0x1.adcd292c46412p-6);
  p1 = f64_fma(p1, z, 0x1.84bd9fda6d561p-5);
  p1 = f64_fma(p1, z, 0x1.3b139cdd32dfap-4);
  p1 = f64_fma(p1, z, 0x1.9999999998d40p-3);
  double p2 = -0x1.3b53a36f9a95fp-11;
  p2 = f64_fma(p2, z, -0x1.327af1e1879d6p-6);
  p2 = f64_fma(p2, z, -0x1.5f3fc6039ab34p-5);
  p2 = f64_fma(p2, z, -0x1.11103bf1425dcp-4);
  p2 = f64_fma(p2, z, -0x1.249249245afdap-3);
  double p3 = 0x1.bb083f9b6d0cdp-14;
  p3 = f64_fma(p3, z, 0x1.757c34e85027fp-7);
  p3 = f64_fma(p3, z, 0x1.3944b27d49fddp-5);
  p3 = f64_fma(p3, z, 0x1.e1d504ee78956p-5);
  p3 = f64_fma(p3, z, 0x1.c71c71b73f441p-4);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* (log((1 + s) / (1 - s)) / s - 2 - 2/3 s^2) / s^4 of z = s^2, |s| as for log */
CR__SCALAR double f64_pow_rest(double x) { /* 0.31 */
  double y = x * x;
  double p0 = 0x1.de44ac5cca556p-4;
  p0 = f64_fma(p0, y, 0x1.3b13664bb5559p-3);
  p0 = f64_fma(p0, y, 0x1.c71c71c5a6b1bp-3);
  p0 = f64_fma(p0, y, 0x1.9999999999996p-2);
  double p1 = 0x1.ea8f698946aafp-4;
  p1 = f64_fma(p1, y, 0x1.11203c0e71038p-3);
  p1 = f64_fma(p1, y, 0x1.745d1822cb1f4p-3);
  p1 = f64_fma(p1, y, 0x1.2492492492eabp-2);
  return f64_fma(p1, x, p0);
}

/* log2((1 + s) / (1 - s)) / s of z = s^2, |s| as for log, for pow of float32 in float64 */
CR__SCALAR double f64_pow_log2(double x) { /* 0.23 */
  double y = x * x;
  double p0 = 0x1.479520b499af7p-2;
  p0 = f64_fma(p0, y, 0x1.2776c2917750dp-1);
  p0 = f64_fma(p0, y, 0x1.71547652b8250p+1);
  double p1 = 0x1.21b3d03ae4a6dp-2;
  p1 = f64_fma(p1, y, 0x1.a61a30235c453p-2);
  p1 = f64_fma(p1, y, 0x1.ec709dc53e0a8p-1);
  return f64_fma(p1, x, p0);
}

/* 2^r, |r| <= 1/2, for pow of float32 in float64 */
CR__SCALAR double f64_pow_exp2(double x) { /* 0.35 */
  double y = x * x;
  double p0 = 0x1.446dee8f98a63p-13;
  p0 = f64_fma(p0, y, 0x1.3b29d6e66c30ap-7);
  p0 = f64_fma(p0, y, 0x1.ebfbe0ac3aca2p-3);
  p0 = f64_fma(p0, y, 0x1.ffffffffa594cp-1);
  double p1 = 0x1.00f8cca9e4be8p-16;
  p1 = f64_fma(p1, y, 0x1.5d8713d0a88aap-10);
  p1 = f64_fma(p1, y, 0x1.c6b08e08c5be0p-5);
  p1 = f64_fma(p1, y, 0x1.62e42fef6bf1ep-1);
  return f64_fma(p1, x, p0);
}

/* exp(a^2) erfc(a) (a + C) of w = a / (a + C) - 5/8, with C = 3 (f32), a <= 10.1 */
CR__SCALAR float f32_tail_rest(float x) { /* 0.25 */
  float y = x * x;
  float p0 = -0x1.3f3ab80000000p-2f;
  p0 = f32_fma(p0, y, 0x1.7aa5500000000p-3f);
  p0 = f32_fma(p0, y, 0x1.61a84a0000000p+0f);
  p0 = f32_fma(p0, y, 0x1.978c340000000p+0f);
  p0 = f32_fma(p0, y, 0x1.c5723a0000000p-1f);
  float p1 = -0x1.55c9220000000p-3f;
  p1 = f32_fma(p1, y, 0x1.6937880000000p-3f);
  p1 = f32_fma(p1, y, -0x1.9d34480000000p-1f);
  p1 = f32_fma(p1, y, -0x1.a962440000000p+0f);
  p1 = f32_fma(p1, y, -0x1.4772e80000000p+0f);
  return f32_fma(p1, x, p0);
}

/* the same, with C = 3.75 (f64), a <= 27.3 */
CR__SCALAR double f64_tail_rest(double x) { /* 0.35 */
  double y = x * x, z = y * y;
  double p0 = -0x1.237d60791b810p-5;
  p0 = f64_fma(p0, z, -0x1.1b290879c7413p-5);
  p0 = f64_fma(p0, z, 0x1.0c254d2ce2ce6p-7);
  p0 = f64_fma(p0, z, 0x1.ed15876e2c166p-2);
  p0 = f64_fma(p0, z, 0x1.3ab2b7ce2974ap+1);
  p0 = f64_fma(p0, z, 0x1.c87b6162f507dp-1);
  double p1 = -0x1.757229001fcccp-6;
  p1 = f64_fma(p1, z, -0x1.2965f340777b3p-11);
  p1 = f64_fma(p1, z, -0x1.3f2aaf99c54eap-4);
  p1 = f64_fma(p1, z, 0x1.f10a9018b8a7bp-6);
  p1 = f64_fma(p1, z, -0x1.2d4c88ae14cb6p+1);
  p1 = f64_fma(p1, z, -0x1.55b750baa6a1bp+0);
  double p2 = -0x1.4579bc541afd5p-8;
  p2 = f64_fma(p2, z, 0x1.c06c52cafa27fp-6);
  p2 = f64_fma(p2, z, 0x1.3a45151b01dbep-5);
  p2 = f64_fma(p2, z, -0x1.bda915d05581dp-3);
  p2 = f64_fma(p2, z, 0x1.e6382185979a3p+0);
  p2 = f64_fma(p2, z, 0x1.d20c7689983bdp+0);
  double p3 = -0x1.11da697d4c2c8p-7;
  p3 = f64_fma(p3, z, 0x1.9f74713017cffp-6);
  p3 = f64_fma(p3, z, 0x1.2615d2b14dc83p-3);
  p3 = f64_fma(p3, z, -0x1.33b2812747f22p+0);
  p3 = f64_fma(p3, z, -0x1.1ee6b148b64a7p+1);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* log(gamma(1 + u)) / u, |u| <= 1/4 */
CR__SCALAR double f64_gamma_one(double x) { /* 0.13 */
  double y = x * x, z = y * y;
  double p0 = -0x1.d2077f055202bp-5;
  p0 = f64_fma(p0, z, -0x1.3b18ff7e38405p-4);
  p0 = f64_fma(p0, z, -0x1.c806703f20567p-4);
  p0 = f64_fma(p0, z, -0x1.a8b9c17aa6995p-3);
  p0 = f64_fma(p0, z, -0x1.2788cfc6fb619p-1);
  double p1 = 0x1.2b7992bc9573bp-4;
  p1 = f64_fma(p1, z, 0x1.25422c0b12c7bp-4);
  p1 = f64_fma(p1, z, 0x1.9a0210b531954p-4);
  p1 = f64_fma(p1, z, 0x1.5b40cb10b62f2p-3);
  p1 = f64_fma(p1, z, 0x1.a51a6625307d4p-1);
  double p2 = -0x1.181d9fd84d935p-4;
  p2 = f64_fma(p2, z, -0x1.11945e9130a51p-4);
  p2 = f64_fma(p2, z, -0x1.748c499675899p-4);
  p2 = f64_fma(p2, z, -0x1.2703a1dcd91adp-3);
  p2 = f64_fma(p2, z, -0x1.9a4d55beab2d3p-2);
  double p3 = 0x1.ecff6da5691e3p-5;
  p3 = f64_fma(p3, z, 0x1.5563beb7dea73p-4);
  p3 = f64_fma(p3, z, 0x1.010b365b3b869p-3);
  p3 = f64_fma(p3, z, 0x1.151322ac7d36bp-2);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* log(gamma(2 + u)) / u, -3/4 <= u <= 1/2 */
CR__SCALAR double f64_gamma_two(double x) { /* 1.1 */
  double y = x * x, z = y * y;
  double p0 = -0x1.6fe41f18c3faap-23;
  p0 = f64_fma(p0, z, -0x1.ac5ecaf9a58d5p-22);
  p0 = f64_fma(p0, z, -0x1.3c4d520e9080cp-17);
  p0 = f64_fma(p0, z, -0x1.d3fd2ff7f65bep-13);
  p0 = f64_fma(p0, z, -0x1.e404fc213c157p-8);
  p0 = f64_fma(p0, z, 0x1.b0ee6072093cep-2);
  double p1 = 0x1.c7aea76b41afap-22;
  p1 = f64_fma(p1, z, 0x1.26ef534975628p-18);
  p1 = f64_fma(p1, z, 0x1.a127ccc0754d4p-14);
  p1 = f64_fma(p1, z, 0x1.7add6eacd9c8fp-9);
  p1 = f64_fma(p1, z, 0x1.4a34cc4a60fa5p-2);
  double p2 = -0x1.96fe4fdbde6d4p-25;
  p2 = f64_fma(p2, z, -0x1.17425d7217ff1p-19);
  p2 = f64_fma(p2, z, -0x1.78e30450d970fp-15);
  p2 = f64_fma(p2, z, -0x1.38ac5c5c8fe36p-10);
  p2 = f64_fma(p2, z, -0x1.13e001a5576e5p-4);
  double p3 = -0x1.39716fbd75839p-23;
  p3 = f64_fma(p3, z, 0x1.cf9a6c4f35a4cp-21);
  p3 = f64_fma(p3, z, 0x1.580427951548fp-16);
  p3 = f64_fma(p3, z, 0x1.0b36af9c4f69bp-11);
  p3 = f64_fma(p3, z, 0x1.51322ac7d90c6p-6);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* log |gamma(x)| / ((x - u) (x - v)) of w = x + 2.6, |w| <= 0.2, u and v being its zeros there */
CR__SCALAR double f64_gamma_dip(double x) { /* 0.23 */
  double y = x * x, z = y * y;
  double p0 = -0x1.d5c4844e2ec05p+31;
  p0 = f64_fma(p0, z, 0x1.dab70bafe3a34p+22);
  p0 = f64_fma(p0, z, 0x1.bce3213e2a36ap+19);
  p0 = f64_fma(p0, z, 0x1.dd87dd307c917p+14);
  p0 = f64_fma(p0, z, 0x1.139591f846f9fp+10);
  p0 = f64_fma(p0, z, 0x1.8ba7e0e03b7e4p+5);
  p0 = f64_fma(p0, z, 0x1.65b23f87569fap+2);
  double p1 = 0x1.5f8bd5107895dp+33;
  p1 = f64_fma(p1, z, 0x1.e72a78226afd1p+19);
  p1 = f64_fma(p1, z, -0x1.03eb9afd1908cp+21);
  p1 = f64_fma(p1, z, -0x1.156437ec381e2p+16);
  p1 = f64_fma(p1, z, -0x1.31987dec1362bp+11);
  p1 = f64_fma(p1, z, -0x1.7445559ec6caap+6);
  p1 = f64_fma(p1, z, -0x1.0c83216e8d5c8p+2);
  double p2 = 0x1.07e28f888b586p+35;
  p2 = f64_fma(p2, z, 0x1.18e2f6dae55edp+29);
  p2 = f64_fma(p2, z, 0x1.6ed48753479b5p+22);
  p2 = f64_fma(p2, z, 0x1.473bd12540764p+17);
  p2 = f64_fma(p2, z, 0x1.6502dfb185196p+12);
  p2 = f64_fma(p2, z, 0x1.bf59b4f1bb033p+7);
  p2 = f64_fma(p2, z, 0x1.9e5b5f33a76dep+3);
  double p3 = -0x1.5e449da546287p+36;
  p3 = f64_fma(p3, z, -0x1.936b73fa427e8p+30);
  p3 = f64_fma(p3, z, -0x1.d0318a645b1e1p+23);
  p3 = f64_fma(p3, z, -0x1.8108b66bedc74p+18);
  p3 = f64_fma(p3, z, -0x1.97bb091bf4ffdp+13);
  p3 = f64_fma(p3, z, -0x1.d5a4d4eb3b1e7p+8);
  p3 = f64_fma(p3, z, -0x1.32d3fd30442c3p+4);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* digamma(x) / (x - root) of w = x - 3/2, |w| <= 1/2 */
CR__SCALAR float f32_digamma_root(float x) { /* 0.32 */
  float y = x * x;
  float p0 = 0x1.6c9dc40000000p-7f;
  p0 = f32_fma(p0, y, 0x1.1621460000000p-6f);
  p0 = f32_fma(p0, y, 0x1.4ee40e0000000p-5f);
  p0 = f32_fma(p0, y, 0x1.850bdc0000000p-4f);
  p0 = f32_fma(p0, y, 0x1.eca19c0000000p-3f);
  p0 = f32_fma(p0, y, 0x1.e6f0cc0000000p-1f);
  float p1 = -0x1.0c9dee0000000p-6f;
  p1 = f32_fma(p1, y, -0x1.a64e620000000p-6f);
  p1 = f32_fma(p1, y, -0x1.fc61020000000p-5f);
  p1 = f32_fma(p1, y, -0x1.2febac0000000p-3f);
  p1 = f32_fma(p1, y, -0x1.b1cb680000000p-2f);
  return f32_fma(p1, x, p0);
}
CR__SCALAR double f64_digamma_root(double x) { /* 0.43 */
  double y = x * x, z = y * y;
  double p0 = 0x1.8663df66433ccp-14;
  p0 = f64_fma(p0, z, 0x1.69e3170894636p-11);
  p0 = f64_fma(p0, z, 0x1.cd1f707745c1ep-9);
  p0 = f64_fma(p0, z, 0x1.2564716143e85p-6);
  p0 = f64_fma(p0, z, 0x1.8512e5903847fp-4);
  p0 = f64_fma(p0, z, 0x1.e6f0cbb873616p-1);
  double p1 = -0x1.76855ea340fbcp-13;
  p1 = f64_fma(p1, z, -0x1.fdd23c6cc34bbp-12);
  p1 = f64_fma(p1, z, -0x1.336e392d83b4ap-9);
  p1 = f64_fma(p1, z, -0x1.86356437e254bp-7);
  p1 = f64_fma(p1, z, -0x1.fb44202a279edp-5);
  p1 = f64_fma(p1, z, -0x1.b1cb63005ee98p-2);
  double p2 = 0x1.fcf3cf3061376p-14;
  p2 = f64_fma(p2, z, 0x1.55d6567cc58d2p-12);
  p2 = f64_fma(p2, z, 0x1.99dd6a0a8a37dp-10);
  p2 = f64_fma(p2, z, 0x1.03c0b11d743c9p-7);
  p2 = f64_fma(p2, z, 0x1.4de9aa17d64efp-5);
  p2 = f64_fma(p2, z, 0x1.eca189b8e6f77p-3);
  double p3 = -0x1.2eb46aa12d64dp-13;
  p3 = f64_fma(p3, z, -0x1.0fae64b24fac0p-10);
  p3 = f64_fma(p3, z, -0x1.5a069ea3f2963p-8);
  p3 = f64_fma(p3, z, -0x1.b9f8b11a80948p-6);
  p3 = f64_fma(p3, z, -0x1.2feeeb98a78b6p-3);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* erfinv(x) / x of v = w - 3, 0 <= w <= 6, for w = -log(1 - x^2) */
CR__SCALAR float f32_erfinv_near(float x) { /* 1.2 */
  float y = x * x;
  float p0 = 0x1.57eb460000000p-31f;
  p0 = f32_fma(p0, y, -0x1.3b05d40000000p-26f);
  p0 = f32_fma(p0, y, -0x1.dcb1a80000000p-20f);
  p0 = f32_fma(p0, y, 0x1.9936560000000p-13f);
  p0 = f32_fma(p0, y, -0x1.780eea0000000p-8f);
  p0 = f32_fma(p0, y, 0x1.9fa0740000000p+0f);
  float p1 = -0x1.781fc00000000p-28f;
  p1 = f32_fma(p1, y, 0x1.e17c260000000p-22f);
  p1 = f32_fma(p1, y, -0x1.aa6fca0000000p-17f);
  p1 = f32_fma(p1, y, -0x1.b667e40000000p-11f);
  p1 = f32_fma(p1, y, 0x1.eedbec0000000p-3f);
  return f32_fma(p1, x, p0);
}
CR__SCALAR double f64_erfinv_near(double x) { /* 1.0 */
  double y = x * x, z = y * y;
  double p0 = -0x1.044f64d06031ep-72;
  p0 = f64_fma(p0, z, 0x1.043e92078cd0fp-59);
  p0 = f64_fma(p0, z, 0x1.c667f93b3afdap-48);
  p0 = f64_fma(p0, z, -0x1.30dc0a58284f7p-36);
  p0 = f64_fma(p0, z, -0x1.96f821f53b104p-26);
  p0 = f64_fma(p0, z, 0x1.9912c04a44106p-13);
  p0 = f64_fma(p0, z, 0x1.9fa072ed72dbbp+0);
  double p1 = -0x1.c96e508883b48p-62;
  p1 = f64_fma(p1, z, 0x1.3d59167a00eefp-52);
  p1 = f64_fma(p1, z, 0x1.7bda49897f9ddp-39);
  p1 = f64_fma(p1, z, -0x1.77b39f83c69c5p-28);
  p1 = f64_fma(p1, z, -0x1.aab13d1befbc9p-17);
  p1 = f64_fma(p1, z, 0x1.eedbebdce73e7p-3);
  double p2 = 0x1.bec1f5570fcb4p-70;
  p2 = f64_fma(p2, z, -0x1.6e110fd812f16p-53);
  p2 = f64_fma(p2, z, 0x1.cba6546b0e933p-48);
  p2 = f64_fma(p2, z, 0x1.31558c1877fdcp-30);
  p2 = f64_fma(p2, z, -0x1.d539ca0b0612dp-20);
  p2 = f64_fma(p2, z, -0x1.780def1d3f2d7p-8);
  double p3 = 0x1.41952d8454a94p-68;
  p3 = f64_fma(p3, z, 0x1.d7894be8a0d2cp-57);
  p3 = f64_fma(p3, z, -0x1.dcd5ce3822f93p-45);
  p3 = f64_fma(p3, z, -0x1.146c70ce9afc4p-35);
  p3 = f64_fma(p3, z, 0x1.e32b0d405dd47p-22);
  p3 = f64_fma(p3, z, -0x1.b6666b152bb2dp-11);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* the same of t = sqrt(w) - 3, 6 <= w <= 16 */
CR__SCALAR float f32_erfinv_far(float x) { /* 0.55 */
  float y = x * x;
  float p0 = 0x1.5b29c60000000p-10f;
  p0 = f32_fma(p0, y, 0x1.7651f00000000p-8f);
  p0 = f32_fma(p0, y, 0x1.35753e0000000p-7f);
  p0 = f32_fma(p0, y, 0x1.6a9efc0000000p+1f);
  float p1 = -0x1.ca8e820000000p-13f;
  p1 = f32_fma(p1, y, -0x1.c67eee0000000p-9f);
  p1 = f32_fma(p1, y, -0x1.f631240000000p-8f);
  p1 = f32_fma(p1, y, 0x1.006dda0000000p+0f);
  return f32_fma(p1, x, p0);
}
CR__SCALAR double f64_erfinv_far(double x) { /* 0.81 */
  double y = x * x, z = y * y;
  double p0 = -0x1.3374e65dce877p-21;
  p0 = f64_fma(p0, z, 0x1.700b84c02f22fp-16);
  p0 = f64_fma(p0, z, -0x1.28e0b1bb8385ap-12);
  p0 = f64_fma(p0, z, 0x1.7495888d237ccp-8);
  p0 = f64_fma(p0, z, 0x1.6a9efbd66eae6p+1);
  double p1 = -0x1.449897d8d99c0p-24;
  p1 = f64_fma(p1, z, -0x1.8d466c634fb1cp-18);
  p1 = f64_fma(p1, z, 0x1.af00afe27e013p-13);
  p1 = f64_fma(p1, z, -0x1.d2754fc0e45bep-9);
  p1 = f64_fma(p1, z, 0x1.006dca7a9c232p+0);
  double p2 = 0x1.a161f47c6bf28p-24;
  p2 = f64_fma(p2, z, -0x1.c28944d59fb8bp-20);
  p2 = f64_fma(p2, z, -0x1.85bb839493d4bp-15);
  p2 = f64_fma(p2, z, 0x1.84f3ede962f72p-10);
  p2 = f64_fma(p2, z, 0x1.3582c8114f68fp-7);
  double p3 = -0x1.5c7956c81f30fp-26;
  p3 = f64_fma(p3, z, 0x1.06dd59924fb26p-19);
  p3 = f64_fma(p3, z, -0x1.7fe47b9a2a64ep-16);
  p3 = f64_fma(p3, z, -0x1.384323e8adf1ap-13);
  p3 = f64_fma(p3, z, -0x1.f4f1c6f0f8b4ap-8);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* the same of t = sqrt(w) - 5, 16 <= w <= 36.1 */
CR__SCALAR double f64_erfinv_farthest(double x) { /* 0.33 */
  double y = x * x, z = y * y;
  double p0 = 0x1.3a15a04793d71p-34;
  p0 = f64_fma(p0, z, 0x1.0cdf967faefaep-27);
  p0 = f64_fma(p0, z, 0x1.ebe39496553b9p-23);
  p0 = f64_fma(p0, z, 0x1.3ebf4efc549c0p-14);
  p0 = f64_fma(p0, z, 0x1.3664ddd1ad7fbp+2);
  double p1 = 0x1.79a8100e7b19ap-35;
  p1 = f64_fma(p1, z, -0x1.dd17ec7f642d2p-29);
  p1 = f64_fma(p1, z, -0x1.2227111efbb2fp-24);
  p1 = f64_fma(p1, z, -0x1.4a348fc25299ep-16);
  p1 = f64_fma(p1, z, 0x1.02a30d1fba10dp+0);
  double p2 = -0x1.6d96eac5a206bp-36;
  p2 = f64_fma(p2, z, 0x1.68be1195af201p-30);
  p2 = f64_fma(p2, z, 0x1.f27f1b3819dc6p-26);
  p2 = f64_fma(p2, z, 0x1.2fbcfcc5351bbp-18);
  p2 = f64_fma(p2, z, -0x1.22ea5df1d2088p-13);
  double p3 = -0x1.e1449d012bc95p-32;
  p3 = f64_fma(p3, z, -0x1.06139305571e4p-26);
  p3 = f64_fma(p3, z, -0x1.0a90740d9247dp-20);
  p3 = f64_fma(p3, z, -0x1.c2f36aa248dcfp-13);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* log2(erfc(x)) of w = x - 1 (f32), 1 <= x <= 4 */
CR__SCALAR float f32_erf_log2(float x) { /* 0.076 */
  float y = x * x;
  float p0 = 0x1.85ea8a0000000p-22f;
  p0 = f32_fma(p0, y, 0x1.bc30a40000000p-12f);
  p0 = f32_fma(p0, y, 0x1.db1ba00000000p-7f);
  p0 = f32_fma(p0, y, -0x1.3762740000000p+0f);
  p0 = f32_fma(p0, y, -0x1.558eae0000000p+1f);
  float p1 = -0x1.1a0eae0000000p-15f;
  p1 = f32_fma(p1, y, -0x1.7d720e0000000p-9f);
  p1 = f32_fma(p1, y, -0x1.eb3c5e0000000p-5f);
  p1 = f32_fma(p1, y, -0x1.e7532a0000000p+1f);
  return f32_fma(p1, x, p0);
}

/* the same, 1 <= x <= 6 (f64) */
CR__SCALAR double f64_erf_log2(double x) { /* 0.054 */
  double y = x * x, z = y * y;
  double p0 = 0x1.240ce599419f7p-31;
  p0 = f64_fma(p0, z, 0x1.2e34583f3be6ap-23);
  p0 = f64_fma(p0, z, -0x1.48af65f7ebdeap-15);
  p0 = f64_fma(p0, z, 0x1.da5764a6addd5p-7);
  p0 = f64_fma(p0, z, -0x1.558eada6637f3p+1);
  double p1 = -0x1.6da52c804f41ap-35;
  p1 = f64_fma(p1, z, -0x1.426e7fd238331p-24);
  p1 = f64_fma(p1, z, 0x1.d127e2a061359p-17);
  p1 = f64_fma(p1, z, -0x1.7603ea327af89p-9);
  p1 = f64_fma(p1, z, -0x1.e75328fe78c53p+1);
  double p2 = 0x1.a5ecea790796fp-40;
  p2 = f64_fma(p2, z, 0x1.7191a7e9c9ba4p-26);
  p2 = f64_fma(p2, z, -0x1.8ed8976fe6034p-19);
  p2 = f64_fma(p2, z, 0x1.6703fefb5574ap-12);
  p2 = f64_fma(p2, z, -0x1.37627e9b5c691p+0);
  double p3 = -0x1.1bee00c474895p-28;
  p3 = f64_fma(p3, z, 0x1.baac3ba32488dp-23);
  p3 = f64_fma(p3, z, 0x1.3e052c7c6b5f1p-15);
  p3 = f64_fma(p3, z, -0x1.eb313689203e2p-5);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

/* erf(x) / x - 1 of z = x^2, |x| <= 1 */
CR__SCALAR float f32_erf_rest(float x) { /* 0.23 */
  float y = x * x;
  float p0 = 0x1.4ae6420000000p-14f;
  p0 = f32_fma(p0, y, 0x1.541a0c0000000p-8f);
  p0 = f32_fma(p0, y, 0x1.ce2d200000000p-4f);
  p0 = f32_fma(p0, y, 0x1.06eba80000000p-3f);
  float p1 = -0x1.a486840000000p-11f;
  p1 = f32_fma(p1, y, -0x1.b7fbb80000000p-6f);
  p1 = f32_fma(p1, y, -0x1.81273e0000000p-2f);
  return f32_fma(p1, x, p0);
}
CR__SCALAR double f64_erf_rest(double x) { /* 0.12 */
  double y = x * x, z = y * y;
  double p0 = 0x1.06272a14a60d6p-34;
  p0 = f64_fma(p0, z, 0x1.b9df304a2845ep-20);
  p0 = f64_fma(p0, z, 0x1.565bcd0dbd8e2p-8);
  p0 = f64_fma(p0, z, 0x1.06eba8214db69p-3);
  double p1 = -0x1.5f1f4066152f8p-23;
  p1 = f64_fma(p1, z, -0x1.c02db3db48b60p-11);
  p1 = f64_fma(p1, z, -0x1.812746b0379e6p-2);
  double p2 = 0x1.f7b9977edca1ap-27;
  p2 = f64_fma(p2, z, 0x1.f9a321e4a2dd4p-14);
  p2 = f64_fma(p2, z, 0x1.ce2f21a042b34p-4);
  double p3 = -0x1.38ac109bdf27bp-30;
  p3 = f64_fma(p3, z, -0x1.f4d1e43334656p-17);
  p3 = f64_fma(p3, z, -0x1.b82ce31284f37p-6);
  return f64_fma(f64_fma(p3, x, p2), y, f64_fma(p1, x, p0));
}

#endif
