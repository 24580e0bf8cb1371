/* Prints golden.csv: what libjpeg-turbo makes of the JPEGs that are named. README.md tells how to run it. */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
#include <jerror.h>

static jmp_buf failed;
static boolean (*fill)(j_decompress_ptr);
static int is_truncated;

static void fail(j_common_ptr jpeg) { longjmp(failed, jpeg->err->msg_code ? jpeg->err->msg_code : -1); }
static void ignore(j_common_ptr jpeg, int level) { (void)jpeg, (void)level; }

/* Called where the data end; libjpeg goes on as if an end marker stood there. */
static boolean end(j_decompress_ptr jpeg) { is_truncated = 1; return fill(jpeg); }

/* What libjpeg-turbo decodes, but no decoder of 8-bit JPEGs with a cosine transform and of colours that it knows. */
enum { LOSSLESS_OR_UNKNOWN = 100000 };

static const char *outcome(int code) {
  switch (code) {
  case 0: return is_truncated ? "truncated" : "ok";
  case JERR_INPUT_EMPTY: case JERR_NO_SOI: return "not-jpeg";
  case LOSSLESS_OR_UNKNOWN: case JERR_BAD_PRECISION: case JERR_FRACT_SAMPLE_NOTIMPL: case JERR_SOF_UNSUPPORTED:
  case JERR_COMPONENT_COUNT: case JERR_IMAGE_TOO_BIG: return "unsupported";
  /* What is wrong behind the end is made up. */
  default: return is_truncated ? "truncated" : "broken";
  }
}

/* FNV-1a of 64 bits of the rows; `code` tells what is wrong. */
static uint64_t decode(unsigned char *data, size_t length, J_DCT_METHOD dct, int is_gray, int scale, int *code, int size[2]) {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr error;
  volatile uint64_t hash = 0xcbf29ce484222325;
  jpeg.err = jpeg_std_error(&error);
  error.error_exit = fail, error.emit_message = ignore;
  is_truncated = 0;
  jpeg_create_decompress(&jpeg);
  if ((*code = setjmp(failed)) == 0) {
    jpeg_mem_src(&jpeg, data, length);
    fill = jpeg.src->fill_input_buffer, jpeg.src->fill_input_buffer = end;
    jpeg_read_header(&jpeg, TRUE);
    if (is_gray) jpeg.out_color_space = JCS_GRAYSCALE;
    jpeg.dct_method = dct, jpeg.scale_denom = scale;
    if (jpeg.jpeg_color_space == JCS_UNKNOWN) longjmp(failed, LOSSLESS_OR_UNKNOWN);
    jpeg_start_decompress(&jpeg);
    if (scale == 1 && jpeg.min_DCT_scaled_size != DCTSIZE) longjmp(failed, LOSSLESS_OR_UNKNOWN);
    size[0] = jpeg.output_width, size[1] = jpeg.output_height;
    JSAMPROW row = malloc((size_t)jpeg.output_width * jpeg.output_components);
    while (jpeg.output_scanline < jpeg.output_height) {
      jpeg_read_scanlines(&jpeg, &row, 1);
      for (JDIMENSION i = 0; i < jpeg.output_width * jpeg.output_components; i++) hash = (hash ^ row[i]) * 0x100000001b3;
    }
    free(row);
    jpeg_finish_decompress(&jpeg);
  }
  jpeg_destroy_decompress(&jpeg);
  return hash;
}

int main(int count, char **files) {
  puts("file,outcome,width,height,fast,accurate,fast_gray,accurate_gray,fast_half,accurate_half,quarter,eighth");
  for (int file = 1; file < count; file++) {
    static unsigned char data[1 << 20];
    FILE *input = fopen(files[file], "rb");
    size_t length = fread(data, 1, sizeof data, input);
    int code, size[2] = {0, 0}, ignored[2];
    fclose(input);
    decode(data, length, JDCT_IFAST, 0, 1, &code, size);
    int is_ok = code == 0 && !is_truncated;
    printf("%s,%s,", files[file], outcome(code));
    if (is_ok) printf("%d,%d", size[0], size[1]); else printf(",");
    for (int column = 0; column < 8; column++) {
      static const int scales[8] = {1, 1, 1, 1, 2, 2, 4, 8};
      J_DCT_METHOD dct = column < 6 && column % 2 == 0 ? JDCT_IFAST : JDCT_ISLOW;
      uint64_t hash = decode(data, length, dct, column / 2 == 1, scales[column], &code, ignored);
      if (is_ok && code == 0) printf(",%016llx", (unsigned long long)hash); else printf(",");
    }
    puts("");
  }
}
