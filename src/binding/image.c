/* image.c: PNG and JPEG images to and from tensors of bytes, height x width x channels.
 *
 * Holds true: libpng and libturbojpeg are opened at first use, by the interfaces that keep no structs of theirs in
 * ours and never jump (libpng's simplified one, of fixed layout); where one is missing, a sentence names its package.
 * Sizes are bounded before memory is taken for them. */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "binding.h"
#include "data.h"

enum { SIDE_MOST = 1 << 16, PIXELS_MOST = 1 << 28 };

/* nil and a sentence. */
static int wrong(lua_State *L, const char *text) {
  lua_pushnil(L);
  lua_pushstring(L, text);
  return 2;
}

/* The bytes of a contiguous uint8 tensor on the CPU; raises for all else. */
static cr_tensor *bytes_arg(lua_State *L, const char *op) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, op, "bytes");
  if (cr_dtype_of(t) != CR_UINT8 || !cr_is_contiguous(t) || cr_device_of(t) != CR_CPU)
    cr__lua_error(L, "%s: bytes must be contiguous uint8 on the CPU", op);
  return t;
}

/* Pushes an image of undefined pixels; NULL, with nothing pushed, where it would be too large. */
static cr_tensor *new_image(lua_State *L, int64_t height, int64_t width, int64_t channels) {
  if (height < 1 || width < 1 || height > SIDE_MOST || width > SIDE_MOST ||
      height * width > PIXELS_MOST)
    return NULL;
  const int64_t shape[] = {height, width, channels};
  cr__lua_tensor *u = cr__lua_new(L);
  u->t = CR__LUA_GET(L, cr_new(CR_UINT8, CR_CPU, 3, shape));
  if (!u->t) cr__lua_raise(L, NULL);
  return u->t;
}

/* ---- PNG --------------------------------------------------------------------------------------------------- */

typedef struct png_image { /* libpng 1.6's, version 1 */
  void *opaque;
  uint32_t version, width, height, format, flags, colormap_entries, warning_or_error;
  char message[64];
} png_image;
enum { PNG_VERSION_1 = 1, HAS_ALPHA = 1, HAS_COLOR = 2, IS_LINEAR = 4 };

static struct png {
  int (*begin)(png_image *, const void *memory, size_t size);
  int (*finish)(png_image *, const void *background, void *buffer, int32_t stride, void *colormap);
  void (*free)(png_image *);
  int (*write)(png_image *, void *memory, size_t *size, int to_8_bit, const void *buffer,
               int32_t stride, const void *colormap);
} png;

static const char *const no_png = "PNG images need libpng (Debian: libpng16-16)";

static void find_png(void) {
  void *library = dlopen("libpng16.so.16", RTLD_NOW | RTLD_LOCAL);
  struct png p;
  if (!cr__lua_find_symbol(library, "png_image_begin_read_from_memory", &p.begin) ||
      !cr__lua_find_symbol(library, "png_image_finish_read", &p.finish) ||
      !cr__lua_find_symbol(library, "png_image_free", &p.free) ||
      !cr__lua_find_symbol(library, "png_image_write_to_memory", &p.write))
    return;
  png = p;
}

static bool open_png(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_png);
  return png.begin != NULL;
}

/* decode_png(bytes): height x width x channels, 1 for gray, 3 for colors, and one more for alpha; 16 bits become 8.
 * Or nil and what is wrong. */
int cr__lua_decode_png(lua_State *L) {
  cr_tensor *bytes = bytes_arg(L, "decode_png");
  png_image image = {.version = PNG_VERSION_1};
  if (!open_png()) return wrong(L, no_png);
  if (!png.begin(&image, cr_data(bytes), (size_t)cr_numel(bytes))) return wrong(L, image.message);
  uint32_t width = image.width, height = image.height;
  uint32_t format = image.format & (HAS_ALPHA | HAS_COLOR);
  png.free(&image); /* nothing of it is held while Lua may raise */
  int channels = (format & HAS_COLOR ? 3 : 1) + (format & HAS_ALPHA ? 1 : 0);
  cr_tensor *t = new_image(L, height, width, channels);
  if (!t) return wrong(L, "the image is too large");
  image = (png_image){.version = PNG_VERSION_1};
  if (!png.begin(&image, cr_data(bytes), (size_t)cr_numel(bytes))) return wrong(L, image.message);
  image.format = format;
  bool done = image.width == width && image.height == height &&
              png.finish(&image, NULL, cr_data(t), 0, NULL);
  png.free(&image);
  return done ? 1 : wrong(L, image.message);
}

/* encode_png(pixels): a uint8 tensor, height x width x (1, 2, 3 or 4), as a string; or nil and what is wrong. */
int cr__lua_encode_png(lua_State *L) {
  cr_tensor *t = bytes_arg(L, "encode_png");
  const int64_t *shape = cr_shape(t);
  if (cr_ndim(t) != 3 || shape[0] < 1 || shape[1] < 1 || shape[0] > SIDE_MOST ||
      shape[1] > SIDE_MOST || shape[2] < 1 || shape[2] > 4)
    return cr__lua_error(L, "encode_png: pixels must be height x width x 1 to 4 channels");
  if (!open_png()) return wrong(L, no_png);
  png_image image = {.version = PNG_VERSION_1,
                     .height = (uint32_t)shape[0],
                     .width = (uint32_t)shape[1]};
  image.format = (shape[2] > 2 ? HAS_COLOR : 0) | (shape[2] % 2 == 0 ? HAS_ALPHA : 0);
  size_t size = 0;
  if (!png.write(&image, NULL, &size, 0, cr_data(t), 0, NULL)) return wrong(L, image.message);
  luaL_Buffer b;
  char *room = luaL_buffinitsize(L, &b, size);
  image = (png_image){.version = PNG_VERSION_1,
                      .height = image.height,
                      .width = image.width,
                      .format = image.format};
  if (!png.write(&image, room, &size, 0, cr_data(t), 0, NULL)) return wrong(L, image.message);
  luaL_pushresultsize(&b, size);
  return 1;
}

/* ---- JPEG -------------------------------------------------------------------------------------------------- */

static struct jpeg {
  void *(*init)(void);
  int (*header)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *);
  int (*decode)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int,
                int);
  int (*destroy)(void *);
} jpeg;

enum { TJ_RGB = 0, TJ_GRAY = 6, TJ_SPACE_GRAY = 2 };

static void find_jpeg(void) {
  void *library = dlopen("libturbojpeg.so.0", RTLD_NOW | RTLD_LOCAL);
  struct jpeg j;
  if (!cr__lua_find_symbol(library, "tjInitDecompress", &j.init) ||
      !cr__lua_find_symbol(library, "tjDecompressHeader3", &j.header) ||
      !cr__lua_find_symbol(library, "tjDecompress2", &j.decode) ||
      !cr__lua_find_symbol(library, "tjDestroy", &j.destroy))
    return;
  jpeg = j;
}

static bool open_jpeg(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_jpeg);
  return jpeg.init != NULL;
}

/* decode_jpeg(bytes): height x width x 1 or 3; or nil and what is wrong. */
int cr__lua_decode_jpeg(lua_State *L) {
  cr_tensor *bytes = bytes_arg(L, "decode_jpeg");
  int width = 0, height = 0, sampling, space = 0;
  if (!open_jpeg()) return wrong(L, "JPEG images need libturbojpeg (Debian: libturbojpeg0)");
  void *d = jpeg.init();
  if (!d) return wrong(L, "out of memory");
  unsigned long n = (unsigned long)cr_numel(bytes);
  int code = jpeg.header(d, cr_data(bytes), n, &width, &height, &sampling, &space);
  jpeg.destroy(d); /* nothing of it is held while Lua may raise */
  if (code) return wrong(L, "the JPEG file is damaged");
  bool gray = space == TJ_SPACE_GRAY;
  cr_tensor *t = new_image(L, height, width, gray ? 1 : 3);
  if (!t) return wrong(L, "the image is too large");
  if (!(d = jpeg.init())) return wrong(L, "out of memory");
  code =
      jpeg.decode(d, cr_data(bytes), n, cr_data(t), width, 0, height, gray ? TJ_GRAY : TJ_RGB, 0);
  jpeg.destroy(d);
  return code ? wrong(L, "the JPEG file is damaged") : 1;
}
