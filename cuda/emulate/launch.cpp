/* launch.cpp: runs a kernel: the blocks one after another, the threads of a block as fibers.
 *
 * Holds true: a thread runs until it ends or has to wait. One that ends leaves its stack to the next
 * thread, so a kernel without barriers needs a single fiber. Only a thread that waits keeps its
 * stack. When nobody can go on and threads are left, the launch fails as it would hang on a GPU. */
#include "emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <memory>
#include <unordered_map>

#if defined(__SANITIZE_ADDRESS__)
#define CR__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CR__ASAN 1
#endif
#endif
#ifdef CR__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
unsigned char *cr__emulate_shared;
std::recursive_mutex cr__emulate_lock;

enum { MAX_THREADS = 1024, WARP = 32, SHARED_MAX = 227 << 10, CANARY = 64 };
#ifdef CR__ASAN
enum { STACK = 2 << 20 }; /* each variable of what is inlined has a place of its own */
#else
enum { STACK = 256 << 10 };
#endif

/* ---- Fibers ---- */

struct fiber {
  void *sp;
  fiber *next; /* idle ones */
  char *stack; /* NULL: the stack of the launching thread */
  void *fake;
  const void *bottom; /* for the sanitizer */
  size_t size;
};

struct thread {
  fiber *on;
  uint64_t value, result;
  unsigned mask; /* of the exchange that it waits in */
  int source;    /* the lane whose value it wants; -1: a bit per lane */
};

static fiber host;
static fiber *current, *idle, *left;
static const cr__emulate_launch *running;
static thread threads[MAX_THREADS];
static unsigned in_exchange[MAX_THREADS / WARP]; /* a bit per lane */
static int nthread, next_new, ndone, nwaiting, votes, vote_result;
static int now; /* the thread that runs */
static int ready[MAX_THREADS], first_ready, nready;
static int at_barrier[MAX_THREADS];
static bool failed; /* the block gave up: its fibers are lost */

#if defined(__x86_64__)
extern "C" CR__HIDDEN void cr__emulate_switch(void **from, void *to);
asm(".text\n.hidden cr__emulate_switch\n.globl cr__emulate_switch\n"
    ".type cr__emulate_switch,@function\ncr__emulate_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
    ".size cr__emulate_switch,.-cr__emulate_switch\n");

static void fiber_prepare(fiber *f, void (*entry)()) {
  void **top = (void **)(f->stack + STACK) - 1; /* `ret` leaves the stack as a call would */
  *top = NULL;
  *--top = (void *)entry;
  f->sp = top - 6;
}
static void fiber_switch(fiber *from, fiber *to) { cr__emulate_switch(&from->sp, to->sp); }
#else
#include <ucontext.h>
static void fiber_prepare(fiber *f, void (*entry)()) {
  ucontext_t *u = new ucontext_t;
  getcontext(u);
  u->uc_stack.ss_sp = f->stack;
  u->uc_stack.ss_size = STACK;
  u->uc_link = NULL;
  makecontext(u, entry, 0);
  f->sp = u;
}
static void fiber_switch(fiber *from, fiber *to) {
  if (!from->sp) from->sp = new ucontext_t;
  swapcontext((ucontext_t *)from->sp, (ucontext_t *)to->sp);
}
#endif

/* Called first thing on a stack that has just been switched to. */
static void arrived() {
#ifdef CR__ASAN
  const void *bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(current->fake, &bottom, &size);
  if (left == &host) {
    host.bottom = bottom;
    host.size = size;
  }
#endif
}

static void go_to(fiber *to) {
  fiber *from = current;
  left = from;
  current = to;
#ifdef CR__ASAN
  __sanitizer_start_switch_fiber(&from->fake, to->bottom, to->size);
#endif
  fiber_switch(from, to);
  arrived();
}

static void set_place(int t) {
  now = t;
  unsigned x = blockDim.x, y = blockDim.y, u = (unsigned)t;
  threadIdx = {u % x, u / x % y, u / (x * y)};
}

static void thread_ended();

static void fiber_entry() {
  arrived();
  for (;;) {
    if (next_new < nthread) {
      set_place(next_new++);
      running->invoke(running->call);
      thread_ended();
      continue;
    }
    current->next = idle;
    idle = current;
    if (nready == 0) {
      go_to(&host);
    } else {
      int t = ready[first_ready];
      first_ready = (first_ready + 1) % MAX_THREADS;
      nready--;
      go_to(threads[t].on);
    }
  }
}

static fiber *fiber_get() {
  fiber *f = idle;
  if (f) {
    idle = f->next;
    return f;
  }
  f = new fiber();
  void *p = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    fputs("cuda emulation: no memory for the stack of a thread\n", stderr);
    abort();
  }
  mprotect(p, 4096, PROT_NONE); /* an overflow shows */
  f->stack = (char *)p;
  f->bottom = p;
  f->size = STACK;
  fiber_prepare(f, fiber_entry);
  return f;
}

/* Lets others run until somebody has put this thread on the list of ready ones. */
static void wait() {
  int me = now;
  threads[me].on = current;
  if (next_new < nthread) {
    go_to(fiber_get());
  } else if (nready > 0) {
    int t = ready[first_ready];
    first_ready = (first_ready + 1) % MAX_THREADS;
    nready--;
    if (t != me) go_to(threads[t].on);
  } else {
    failed = true;
    go_to(&host);
  }
  set_place(me);
}

static void wake(int t) { ready[(first_ready + nready++) % MAX_THREADS] = t; }

/* ---- Barriers ---- */

static void open_barrier() {
  vote_result = votes;
  votes = 0;
  for (int i = 0; i < nwaiting; i++)
    if (at_barrier[i] != now) wake(at_barrier[i]);
  nwaiting = 0;
}

static void thread_ended() {
  ndone++;
  now = -1;
  if (nwaiting > 0 && nwaiting + ndone == nthread) open_barrier();
}

void __syncthreads() {
  at_barrier[nwaiting++] = now;
  if (nwaiting + ndone == nthread) open_barrier();
  else wait();
}

int cr__emulate_vote(int predicate, int kind) {
  bool counts = kind == 1 ? predicate == 0 : predicate != 0;
  votes += counts;
  __syncthreads();
  return kind == 0 ? vote_result : kind == 1 ? vote_result == 0 : vote_result != 0;
}

/* ---- Warps ---- */

int cr__emulate_lane() { return now % WARP; }

unsigned __activemask() {
  int left_in_warp = nthread - now / WARP * WARP;
  return left_in_warp >= WARP ? 0xffffffffu : (1u << left_in_warp) - 1;
}

static void hand_out(thread *warp, unsigned mask) {
  unsigned bits = 0;
  for (int i = 0; i < WARP; i++)
    if (mask >> i & 1 && warp[i].value) bits |= 1u << i;
  for (int i = 0; i < WARP; i++) {
    if (!(mask >> i & 1)) continue;
    int source = warp[i].source;
    warp[i].result = source < 0                     ? bits
                     : mask >> (source % WARP) & 1 ? warp[source % WARP].value
                                                    : warp[i].value;
  }
}

uint64_t cr__emulate_exchange(unsigned mask, uint64_t value, int source) {
  int first = now / WARP * WARP, lane = now % WARP;
  thread *warp = threads + first, *me = warp + lane;
  unsigned *waiting = &in_exchange[first / WARP];
  mask &= __activemask();
  me->value = value;
  me->source = source;
  me->mask = mask;
  *waiting |= 1u << lane;
  bool all = (*waiting & mask) == mask && mask >> lane & 1;
  for (int i = 0; all && i < WARP; i++)
    if (mask >> i & 1 && warp[i].mask != mask) all = false;
  if (!all) {
    wait();
    return me->result;
  }
  *waiting &= ~mask;
  hand_out(warp, mask);
  for (int i = 0; i < WARP; i++)
    if (mask >> i & 1 && i != lane) wake(first + i);
  return me->result;
}

unsigned cr__emulate_ballot(unsigned mask, bool predicate) {
  return (unsigned)cr__emulate_exchange(mask, predicate, -1);
}

/* ---- Launches ---- */

static std::unordered_map<const void *, int> shared_limits;
static unsigned char *shared_bytes;

cudaError_t cr__emulate_set_shared(const void *kernel, int nbytes) {
  if (nbytes < 0 || nbytes > SHARED_MAX) return cudaErrorInvalidValue;
  std::lock_guard<std::recursive_mutex> hold(cr__emulate_lock);
  shared_limits[kernel] = nbytes;
  return cudaSuccess;
}

bool cr__emulate_fits(const cr__emulate_launch *l) {
  dim3 g = l->grid, b = l->block;
  uint64_t n = (uint64_t)b.x * b.y * b.z;
  if (n == 0 || n > MAX_THREADS || b.z > 64) return false;
  if (g.x == 0 || g.y == 0 || g.z == 0) return false;
  if (g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535) return false;
  if (l->shared <= 48 << 10) return true;
  auto limit = shared_limits.find(l->kernel);
  return limit != shared_limits.end() && l->shared <= (size_t)limit->second;
}

/* What a block finds in shared memory is garbage: NaN for floats, -1 for integers. */
static void fill_shared(size_t n) {
  memset(shared_bytes, 0xff, n);
  memset(shared_bytes + n, 0x5c, CANARY);
#ifdef CR__ASAN
  ASAN_POISON_MEMORY_REGION(shared_bytes + n, CANARY);
#endif
}

static bool shared_is_whole(size_t n) {
#ifdef CR__ASAN
  ASAN_UNPOISON_MEMORY_REGION(shared_bytes + n, CANARY);
#endif
  for (int i = 0; i < CANARY; i++)
    if (shared_bytes[n + (size_t)i] != 0x5c) return false;
  return true;
}

static bool run_block(size_t shared) {
  next_new = ndone = nwaiting = votes = first_ready = nready = 0;
  memset(in_exchange, 0, sizeof in_exchange);
  failed = false;
  fill_shared(shared);
  go_to(fiber_get());
  const char *why = NULL;
  if (ndone < nthread) why = "threads wait for others that have ended or wait elsewhere";
  if (!shared_is_whole(shared)) why = "shared memory was written beyond its end";
  if (why) fprintf(stderr, "cuda emulation: block %u,%u,%u: %s\n", blockIdx.x, blockIdx.y,
                   blockIdx.z, why);
  return !why;
}

bool cr__emulate_execute(const cr__emulate_launch *l) {
  if (!shared_bytes) shared_bytes = (unsigned char *)aligned_alloc(64, SHARED_MAX + CANARY);
  cr__emulate_shared = shared_bytes;
  current = &host;
  running = l;
  gridDim = l->grid;
  blockDim = l->block;
  nthread = (int)(l->block.x * l->block.y * l->block.z);
  bool sound = true;
  for (unsigned z = 0; sound && z < gridDim.z; z++)
    for (unsigned y = 0; sound && y < gridDim.y; y++)
      for (unsigned x = 0; sound && x < gridDim.x; x++) {
        blockIdx = {x, y, z};
        sound = run_block(l->shared);
      }
  return sound;
}

/* The arguments outlive this call in a copy. */
void cr__emulate_run(const cr__emulate_launch *l, cudaStream_t s) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (!cr__emulate_fits(l)) {
    (void)cr__emulate_failing(cudaErrorInvalidConfiguration);
    return;
  }
  if (cr__emulate_device_of(s) != cr__emulate_device()) {
    (void)cr__emulate_failing(cudaErrorInvalidResourceHandle);
    return;
  }
  cr__emulate_launch later = *l;
  std::shared_ptr<void> call(l->copy(l->call), l->drop);
  (void)cr__emulate_queue(s, [later, call]() {
    cr__emulate_launch now = later;
    now.call = call.get();
    return cr__emulate_execute(&now);
  });
}
