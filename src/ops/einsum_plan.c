/* einsum_plan.c: reads an equation of einsum, and plans its steps.
 *
 * Holds true: tensors are multiplied from left to right, two at a time, as a batch of matrices; a letter
 * is summed over as soon as no later tensor and not the result has it. A dim of size 1 is broadcast. A
 * step that would change nothing is left out. */
#include <string.h>

#include "einsum.h"

/* A label stands for a dim: a letter, or a place among the dims of "...", which fit together from the
 * right. Their order is that of a result without "->". */
enum { DOTS = CR_MAX_DIMS, LABELS = DOTS + 52 };
#define IN_RESULT INT32_MAX

/* A tensor as the plan sees it. */
typedef struct labelled {
  int n;
  uint8_t label[CR_MAX_DIMS];
  int64_t size[CR_MAX_DIMS];
} labelled;

typedef struct reading {
  const char *equation;
  cr__einsum_plan *plan;
  int32_t last[LABELS]; /* the last tensor that has the label, or the result; -1: none has it */
  int count[LABELS];    /* how often tensors have it */
  int64_t size[LABELS];
  int dots; /* the most dims that "..." stands for */
  int nwanted;
  uint8_t wanted[LABELS];
} reading;

/* ---- Words ------------------------------------------------------------------------------------- */

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static int label_of(char c) { return DOTS + (c >= 'a' ? c - 'a' + 26 : c - 'A'); }
static int dot_label(int from_right) { return DOTS - from_right; } /* from 1 */

/* A label in messages. */
static const char *told(int label, char buffer[2]) {
  if (label < DOTS) return "...";
  label -= DOTS;
  buffer[0] = (char)(label < 26 ? 'A' + label : 'a' + label - 26), buffer[1] = 0;
  return buffer;
}

#define FAIL(r, code, format, ...)                                                          \
  cr__fail(CR_E_##code, "einsum: %s: " format, cr__quote((r)->equation, &(cr_quoted){{0}}), \
           __VA_ARGS__)

typedef struct term {
  const char *text;
  int length, letters;
  bool open; /* has "..." */
} term;

/* Finds what a term of `length` characters is made of. */
static int scan(const reading *r, const char *text, int length, term *t) {
  *t = (term){.text = text, .length = length};
  for (int i = 0; i < length; i++) {
    if (is_letter(text[i])) {
      t->letters++;
    } else if (!t->open && length - i >= 3 && memcmp(text + i, "...", 3) == 0) {
      t->open = true;
      i += 2;
    } else if (!is_space(text[i])) {
      return FAIL(r, ARGUMENT, "%s is no letter and no \"...\"",
                  cr_quote(text + i, 1, '"', &(cr_quoted){{0}}));
    }
  }
  return 0;
}

/* Writes the labels of a term, of which "..." stands for `dots`; returns how many. */
static int labels_of(const term *t, int dots, uint8_t *labels) {
  int n = 0;
  for (int i = 0; i < t->length; i++) {
    if (is_letter(t->text[i])) labels[n++] = (uint8_t)label_of(t->text[i]);
    if (t->text[i] != '.') continue;
    for (int d = dots; d > 0; d--) labels[n++] = (uint8_t)dot_label(d);
    i += 2;
  }
  return n;
}

/* ---- Reading ----------------------------------------------------------------------------------- */

static int read_input(reading *r, int i, const char *text, int length, const cr_tensor *t,
                      labelled *x) {
  term m;
  int code = scan(r, text, length, &m), ndim = t->ndim;
  if (code) return code;
  if (ndim < m.letters || (ndim > m.letters && !m.open))
    return FAIL(r, SHAPE, "tensor %d has %d dims, but %s names %d", i + 1, ndim,
                cr_quote(text, (size_t)length, '"', &(cr_quoted){{0}}), m.letters);
  int dots = ndim - m.letters;
  if (dots > r->dots) r->dots = dots;
  x->n = labels_of(&m, dots, x->label);
  memcpy(x->size, cr__sizes(t), (size_t)ndim * sizeof *x->size);
  for (int d = 0; d < ndim; d++) {
    r->last[x->label[d]] = i;
    r->count[x->label[d]]++;
  }
  return 0;
}

static int read_output(reading *r, const char *text) {
  term m;
  char letter[2];
  bool used[LABELS] = {false};
  int code = scan(r, text, (int)strlen(text), &m);
  for (int i = 0; i < m.length && !code; i++) {
    if (!is_letter(text[i])) continue;
    int label = label_of(text[i]);
    if (r->last[label] < 0)
      code = FAIL(r, ARGUMENT, "no tensor has the \"%s\" of the result", told(label, letter));
    else if (used[label])
      code = FAIL(r, ARGUMENT, "the result has \"%s\" twice", told(label, letter));
    used[label] = true;
  }
  if (!code) r->nwanted = labels_of(&m, m.open ? r->dots : 0, r->wanted);
  return code;
}

/* Without "->": the dims of "...", then the letters that stand once, in their order. */
static void imply_output(reading *r) {
  for (int label = 0; label < LABELS; label++)
    if (label < DOTS ? r->count[label] > 0 : r->count[label] == 1)
      r->wanted[r->nwanted++] = (uint8_t)label;
}

static int count_terms(const char *text, int length) {
  int n = 1;
  for (int i = 0; i < length; i++) n += text[i] == ',';
  return n;
}

static int read_equation(reading *r, int n, cr_tensor *const *operands, labelled *inputs) {
  const char *text = r->equation, *arrow = strstr(text, "->");
  const char *end = arrow ? arrow : text + strlen(text);
  if (end - text > INT32_MAX / 2)
    return FAIL(r, ARGUMENT, "has more than %d characters", INT32_MAX / 2);
  int terms = count_terms(text, (int)(end - text));
  if (terms != n) return FAIL(r, ARGUMENT, "names %d tensors, but there are %d", terms, n);
  for (int i = 0; i < n; i++) {
    const char *comma = memchr(text, ',', (size_t)(end - text));
    int length = (int)((comma ? comma : end) - text);
    int code = read_input(r, i, text, length, operands[i], &inputs[i]);
    if (code) return code;
    text += length + 1;
  }
  if (!arrow) imply_output(r);
  else if (read_output(r, arrow + 2)) return (int)cr_error_code();
  for (int i = 0; i < r->nwanted; i++) r->last[r->wanted[i]] = IN_RESULT;
  return r->nwanted <= CR_MAX_DIMS
             ? 0
             : FAIL(r, SHAPE, "the result has %d dims; %d at most", r->nwanted, CR_MAX_DIMS);
}

/* ---- Steps ------------------------------------------------------------------------------------- */

static void step(const reading *r, int kind, int side, int n, const int64_t *numbers) {
  cr__einsum_put(r->plan, kind), cr__einsum_put(r->plan, side), cr__einsum_put(r->plan, n);
  for (int i = 0; i < n; i++) cr__einsum_put(r->plan, numbers[i]);
}

static int place(const labelled *x, int label) {
  for (int d = 0; d < x->n; d++)
    if (x->label[d] == label) return d;
  return -1;
}

static void push(labelled *x, int label, int64_t size) {
  x->label[x->n] = (uint8_t)label, x->size[x->n++] = size;
}

static void drop_dim(labelled *x, int d) {
  x->n--;
  for (int i = d; i < x->n; i++) x->label[i] = x->label[i + 1], x->size[i] = x->size[i + 1];
}

/* Operand i comes to a side. Dims with one label become one: their diagonal. */
static void take(const reading *r, int i, labelled *x, int side) {
  step(r, CR__EINSUM_TAKE, side, 1, (int64_t[]){i});
  for (int d = x->n - 1; d > 0; d--) {
    int label = x->label[d], first = place(x, label);
    int64_t n = x->size[d];
    if (first == d) continue;
    step(r, CR__EINSUM_DIAGONAL, side, 2, (int64_t[]){first + 1, d + 1});
    drop_dim(x, d), drop_dim(x, first);
    push(x, label, n);
  }
}

/* Sums over the dims that nobody asks for after tensor i; `other` (or NULL) does, too. */
static void sum_up(const reading *r, int i, labelled *x, int side, const labelled *other) {
  int64_t dims[CR_MAX_DIMS];
  labelled left = {0};
  int n = 0;
  for (int d = 0; d < x->n; d++) {
    int label = x->label[d];
    if (r->last[label] > i || (other && place(other, label) >= 0)) push(&left, label, x->size[d]);
    else dims[n++] = d + 1;
  }
  if (n) step(r, CR__EINSUM_SUM, side, n, dims);
  *x = left;
}

/* Brings the dims of x into an order. */
static void permute(const reading *r, labelled *x, int side, int n, const uint8_t *labels) {
  int64_t order[CR_MAX_DIMS];
  labelled y = {0};
  bool same = true;
  for (int i = 0; i < n; i++) {
    int d = place(x, labels[i]);
    if (d < 0) continue;
    same = same && d == y.n;
    order[y.n] = d + 1;
    push(&y, labels[i], x->size[d]);
  }
  if (!same) step(r, CR__EINSUM_PERMUTE, side, y.n, order);
  *x = y;
}

/* The same, and dims of size 1 for labels that it lacks. */
static void arrange(const reading *r, labelled *x, int side, int n, const uint8_t *labels) {
  permute(r, x, side, n, labels);
  labelled y = {0};
  for (int i = 0; i < n; i++) {
    int d = place(x, labels[i]);
    push(&y, labels[i], d < 0 ? 1 : x->size[d]);
  }
  if (y.n > x->n) step(r, CR__EINSUM_RESHAPE, side, y.n, y.size);
  *x = y;
}

static int64_t wider(int64_t a, int64_t b) { return a == 1 ? b : a; }

/* Gives the dims of x that the other has the size that both broadcast to. */
static void expand(const reading *r, labelled *x, int side, const labelled *other) {
  bool same = true;
  for (int d = 0; d < x->n; d++) {
    int at = place(other, x->label[d]);
    int64_t n = at < 0 ? x->size[d] : wider(x->size[d], other->size[at]);
    same = same && n == x->size[d];
    x->size[d] = n;
  }
  if (!same) step(r, CR__EINSUM_EXPAND, side, x->n, x->size);
}

/* How the labels of a product's two factors are shared out. Each list is a part of `label`. */
typedef struct roles {
  int both, gone, left, right; /* in both and kept; in both and summed over; in one */
  uint8_t label[4][CR_MAX_DIMS];
} roles;
enum { BOTH, GONE, LEFT, RIGHT };

static roles share_out(const reading *r, int i, const labelled *a, const labelled *b) {
  roles o = {0};
  for (int d = 0; d < a->n; d++) {
    uint8_t label = a->label[d];
    if (place(b, label) < 0) o.label[LEFT][o.left++] = label;
    else if (r->last[label] > i) o.label[BOTH][o.both++] = label;
    else o.label[GONE][o.gone++] = label;
  }
  for (int d = 0; d < b->n; d++)
    if (place(a, b->label[d]) < 0) o.label[RIGHT][o.right++] = b->label[d];
  return o;
}

static int join(uint8_t *to, int na, const uint8_t *a, int nb, const uint8_t *b, int nc,
                const uint8_t *c) {
  memcpy(to, a, (size_t)na), memcpy(to + na, b, (size_t)nb), memcpy(to + na + nb, c, (size_t)nc);
  return na + nb + nc;
}

/* The product of some neighbouring sizes; a shape that wraps here is refused by expand. */
static int64_t count(const labelled *x, int first, int n) {
  uint64_t c = 1;
  for (int d = first; d < first + n; d++) c *= (uint64_t)x->size[d];
  return (int64_t)c;
}

/* x, whose dims are `batch`, then m, then k of them, as matrices. */
static void as_matrices(const reading *r, const labelled *x, int side, int batch, int m, int k) {
  int64_t shape[3] = {count(x, 0, batch), count(x, batch, m), count(x, batch + m, k)};
  int n = batch ? 3 : 2;
  if (x->n != n || memcmp(x->size, shape + 3 - n, (size_t)n * sizeof *shape) != 0)
    step(r, CR__EINSUM_RESHAPE, side, n, shape + 3 - n);
}

/* The sum of the products is a batch of matrix products. */
static void matrices(const reading *r, labelled *a, labelled *b, const roles *o, labelled *result) {
  uint8_t order[2 * CR_MAX_DIMS];
  labelled whole_a = *a;
  expand(r, a, 0, b), expand(r, b, 1, &whole_a);
  int n = join(order, o->both, o->label[BOTH], o->left, o->label[LEFT], o->gone, o->label[GONE]);
  permute(r, a, 0, n, order);
  n = join(order, o->both, o->label[BOTH], o->gone, o->label[GONE], o->right, o->label[RIGHT]);
  permute(r, b, 1, n, order);
  as_matrices(r, a, 0, o->both, o->left, o->gone);
  as_matrices(r, b, 1, o->both, o->gone, o->right);
  step(r, o->both ? CR__EINSUM_BMM : CR__EINSUM_MM, 0, 0, NULL);
  for (int d = 0; d < result->n; d++) {
    int at = place(a, result->label[d]);
    result->size[d] = at < 0 ? b->size[place(b, result->label[d])] : a->size[at];
  }
  if (o->both > 1 || o->left != 1 || o->right != 1)
    step(r, CR__EINSUM_RESHAPE, 0, result->n, result->size);
}

/* a = a b, summed over what nobody asks for after tensor i, which b is. */
static int product(const reading *r, int i, labelled *a, labelled *b) {
  sum_up(r, i, a, 0, b);
  sum_up(r, i, b, 1, a);
  roles o = share_out(r, i, a, b);
  uint8_t labels[3 * CR_MAX_DIMS];
  labelled result = {
      .n = join(labels, o.both, o.label[BOTH], o.left, o.label[LEFT], o.right, o.label[RIGHT])};
  if (result.n > CR_MAX_DIMS)
    return FAIL(r, SHAPE, "the product of the first %d tensors has %d dims on the way; %d at most",
                i + 1, result.n, CR_MAX_DIMS);
  memcpy(result.label, labels, (size_t)result.n);
  if (o.gone) {
    matrices(r, a, b, &o, &result);
  } else {
    arrange(r, a, 0, result.n, labels);
    arrange(r, b, 1, result.n, labels);
    step(r, CR__EINSUM_MUL, 0, 0, NULL);
    for (int d = 0; d < result.n; d++) result.size[d] = wider(a->size[d], b->size[d]);
  }
  *a = result;
  return 0;
}

/* ---- The whole --------------------------------------------------------------------------------- */

static int check_repeats(const reading *r, int i, const labelled *x) {
  char letter[2];
  for (int d = x->n - 1; d > 0; d--) {
    int first = place(x, x->label[d]);
    if (x->size[first] != x->size[d])
      return FAIL(r, SHAPE, "tensor %d has \"%s\" twice, of sizes %lld and %lld", i + 1,
                  told(x->label[d], letter), (long long)x->size[first], (long long)x->size[d]);
  }
  return 0;
}

/* A letter has one size; a 1 gives way. */
static int check_sizes(reading *r, int n, const labelled *inputs) {
  char letter[2];
  for (int label = 0; label < LABELS; label++) r->size[label] = 1;
  for (int i = 0; i < n; i++) {
    for (int d = 0; d < inputs[i].n; d++) {
      int label = inputs[i].label[d];
      int64_t size = inputs[i].size[d];
      if (r->size[label] != 1 && size != 1 && size != r->size[label])
        return FAIL(r, SHAPE, "\"%s\" has size %lld in tensor %d, but %lld before",
                    told(label, letter), (long long)size, i + 1, (long long)r->size[label]);
      r->size[label] = wider(r->size[label], size);
    }
  }
  return 0;
}

static int plan_steps(reading *r, int n, labelled *inputs) {
  int code = 0;
  labelled x = inputs[0];
  for (int i = 0; i < n && !code; i++) code = check_repeats(r, i, &inputs[i]);
  if (!code) code = check_sizes(r, n, inputs);
  if (code) return code;
  take(r, 0, &x, 0);
  for (int i = 1; i < n && !code; i++) {
    take(r, i, &inputs[i], 1);
    code = product(r, i, &x, &inputs[i]);
  }
  if (code) return code;
  sum_up(r, n, &x, 0, NULL);
  permute(r, &x, 0, r->nwanted, r->wanted);
  if (r->plan->n > 3 + 1) return 0;
  int64_t dims[CR_MAX_DIMS]; /* nothing to do: a view, not the operand itself */
  for (int d = 0; d < x.n; d++) dims[d] = d + 1;
  step(r, CR__EINSUM_PERMUTE, 0, x.n, dims);
  return 0;
}

int cr__einsum_read(const char *equation, int n, cr_tensor *const *operands,
                    cr__einsum_plan *plan) {
  *plan = (cr__einsum_plan){0};
  reading r = {.equation = equation, .plan = plan};
  for (int label = 0; label < LABELS; label++) r.last[label] = -1;
  size_t room = (size_t)n * sizeof(labelled);
  labelled *inputs = cr__alloc(room);
  if (!inputs) return (int)cr_error_code();
  int code = read_equation(&r, n, operands, inputs);
  if (!code) code = plan_steps(&r, n, inputs);
  if (!code && plan->failed) code = (int)cr_error_code();
  cr__free(inputs, room);
  if (!code) return 0;
  cr__einsum_free(plan);
  *plan = (cr__einsum_plan){0};
  return code;
}
