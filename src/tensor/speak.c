/* speak.c: what errors are made to speak of: the operation that the caller has called.
 *
 * Holds true: an error's sentence begins with the name of the operation that found it. Parts of a
 * composite find errors too; then the name, and the names of parameters that the part was given from
 * those of the composite, become the composite's. Only the sentence changes, never the code. */
#include <stdio.h>
#include <string.h>

#include "dispatch.h"

typedef struct words {
  char *to, *end;
} words;

static void add(words *w, const char *s, size_t n) {
  size_t room = (size_t)(w->end - w->to) - 1;
  if (n > room) n = room;
  memcpy(w->to, s, n);
  w->to += n;
  *w->to = '\0';
}

static size_t word_length(const char *s) {
  size_t n = 0;
  while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || s[n] == '_' ||
         (s[n] >= '0' && s[n] <= '9'))
    n++;
  return n;
}

static bool is_word(const char *s, size_t n, const char *word) {
  return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* Whether the n letters name op, as it is or as its twin. */
static bool names(const char *s, size_t n, const cr_op *op) {
  size_t less = n && s[n - 1] == '_' ? n - 1 : n;
  return is_word(s, n, op->name) || is_word(s, n, op->lua) || is_word(s, less, op->name) ||
         is_word(s, less, op->lua);
}

static bool names_any(const char *s, size_t n) {
  for (int i = 0; i < CR__OP_COUNT; i++)
    if (names(s, n, &cr__ops[i])) return true;
  return false;
}

/* Where the operation's name stands in the sentence, *n letters of it; NULL: nowhere. */
static const char *find_name(const char *sentence, size_t *n) {
  static const char memory[] = "out of memory: ";
  bool short_of_it = strncmp(sentence, memory, sizeof memory - 1) == 0;
  const char *s = short_of_it ? sentence + sizeof memory - 1 : sentence;
  const char *behind = short_of_it ? " needs" : ": ";
  *n = word_length(s);
  return *n && strncmp(s + *n, behind, strlen(behind)) == 0 ? s : NULL;
}

/* ---- Parameters ---- */

static bool same(const cr_value *a, uint8_t a_type, const cr_value *b, uint8_t b_type) {
  if (a->kind != b->kind) return false;
  switch (a->kind) {
  case CR_TENSOR: return a->u.t == b->u.t;
  case CR_TENSORS: return a->u.ts == b->u.ts;
  case CR_INTS: return a->u.is == b->u.is && a->n == b->n;
  case CR_FLOATS: return a->u.fs == b->u.fs && a->n == b->n;
  case CR_STRING: return a->u.s == b->u.s;
  case CR_INT: return a_type == b_type && a->u.i == b->u.i;
  case CR_FLOAT: return a_type == b_type && a->u.f == b->u.f;
  default: return false;
  }
}

/* For each parameter of a part the composite's that it was given from, or -1; each serves once. */
static void match_params(const cr_op *op, const cr_value *args, const cr__speaker *outer,
                         int *from) {
  uint32_t used = 0;
  for (int i = 0; i < op->nparam; i++) {
    from[i] = -1;
    for (int j = 0; j < outer->op->nparam && from[i] < 0; j++) {
      if (used >> j & 1) continue;
      if (same(&args[i], op->params[i].type, &outer->args[j], outer->op->params[j].type))
        from[i] = j;
    }
    if (from[i] >= 0) used |= UINT32_C(1) << from[i];
  }
}

/* Adds the rest of the sentence with the part's parameters under the composite's names. What stands in
 * quotes is the caller's. */
static void add_rest(words *w, const char *s, const cr_op *op, const int *from,
                     const cr__speaker *outer) {
  bool quoted = false;
  while (*s) {
    size_t n = word_length(s);
    if (n == 0) {
      quoted ^= *s == '"';
      add(w, s++, 1);
      continue;
    }
    const char *word = NULL;
    for (int i = 0; i < op->nparam && !quoted; i++)
      if (from[i] >= 0 && is_word(s, n, op->params[i].name)) word = outer->op->params[from[i]].name;
    add(w, word ? word : s, word ? strlen(word) : n);
    s += n;
  }
}

/* Whether the call had no chance: one of its arguments is what an earlier, failed call gave. */
static bool is_older(const cr_op *op, const cr_value *args) {
  for (int i = 0; i < op->nparam; i++)
    if (args[i].kind == CR_NONE && !op->params[i].optional) return true;
  return false;
}

void cr__speak(const cr_op *op, const cr_value *args, bool inplace) {
  char text[1024];
  size_t n;
  cr_error code = cr_error_code();
  const char *sentence = cr_error_message();
  if (code == CR_E_OK || code == CR_E_CALLBACK || code == CR_E_INTERRUPT) return;
  if (is_older(op, args)) return;
  const cr__speaker mine = {op, args, inplace}, *outer = cr__outer ? cr__outer : &mine;
  if (!(outer->op->flags & (CR_OP_METHOD | CR_OP_FUNCTION))) return; /* the binding names itself */
  const char *name = find_name(sentence, &n);
  if (!name || !names_any(name, n)) return;
  words w = {text, text + sizeof text};
  add(&w, sentence, (size_t)(name - sentence));
  add(&w, outer->op->lua, strlen(outer->op->lua));
  if (outer->inplace && w.to[-1] != '_') add(&w, "_", 1);
  if (outer == &mine || outer->op == op) {
    add(&w, name + n, strlen(name + n));
  } else {
    int from[32];
    match_params(op, args, outer, from);
    add_rest(&w, name + n, op, from, outer);
  }
  cr_error_set(code, "%s", text);
}

const char *cr__dtype_advice(const cr_op *op) {
  const cr_op *called = cr__outer ? cr__outer->op : op;
  for (int i = 0; i < called->nparam; i++)
    if (called->params[i].type == CR_P_DTYPE) return "convert it, or name a float dtype";
  return "convert it";
}
