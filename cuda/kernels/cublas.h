/* cuda/kernels/cublas.h: the part of cuBLASLt's interface that cublas.cu uses.
 *
 * Holds true: names and values are those of NVIDIA's cuBLAS documentation, chapter "Using the cuBLASLt
 * API" (docs.nvidia.com/cuda/cublas), where they are the same from version 11 to 13. They are
 * declared here because the library is looked for when the program runs, and its headers may be
 * missing where this is compiled. */
#ifndef CR__CUDA_CUBLAS_H
#define CR__CUDA_CUBLAS_H

#include "runtime/cuda.h"

typedef int cublas_status; /* cublasStatus_t */
enum { CUBLAS_SUCCESS = 0, CUBLAS_ARCH_MISMATCH = 8, CUBLAS_NOT_SUPPORTED = 15 };

enum { CUBLAS_OP_NONE = 0, CUBLAS_OP_TRANSPOSE = 1 };                      /* cublasOperation_t */
enum { TYPE_R_32F = 0, TYPE_R_64F = 1, TYPE_R_16F = 2, TYPE_R_16BF = 14 }; /* cudaDataType_t */
enum { COMPUTE_32F = 68, COMPUTE_64F = 70, COMPUTE_32F_TF32 = 77 };        /* cublasComputeType_t */

/* cublasLtMatmulDescAttributes_t; values: int32_t, int32_t, uint32_t, a device pointer */
enum { DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_EPILOGUE = 7, DESC_BIAS_POINTER = 8 };
enum { EPILOGUE_DEFAULT = 1, EPILOGUE_BIAS = 4 }; /* cublasLtEpilogue_t */
/* cublasLtMatrixLayoutAttribute_t; values: int32_t, int64_t in elements */
enum { LAYOUT_BATCH_COUNT = 5, LAYOUT_STRIDED_BATCH_OFFSET = 6 };
/* cublasLtMatmulPreferenceAttributes_t; values: uint64_t, uint32_t, uint32_t (of a, b, c, d) */
enum {
  PREFERENCE_MAX_WORKSPACE_BYTES = 1,
  PREFERENCE_REDUCTION_SCHEMES = 3,
  PREFERENCE_MIN_ALIGNMENT_A_BYTES = 5
};
/* cublasLtReductionScheme_t: how the sums over parts of k are kept till they are joined */
enum { REDUCTION_IN_PLACE = 1, REDUCTION_COMPUTE_TYPE = 2, REDUCTION_OUTPUT_TYPE = 4 };

typedef struct cublas_handle_ *cublas_handle; /* cublasLtHandle_t */
typedef struct cublas_desc_ *cublas_desc;     /* cublasLtMatmulDesc_t */
typedef struct cublas_layout_ *cublas_layout; /* cublasLtMatrixLayout_t: columns lie one by one */
typedef struct cublas_preference_ *cublas_preference;
typedef struct cublas_algo { /* cublasLtMatmulAlgo_t */
  uint64_t data[8];
} cublas_algo;
typedef struct cublas_result { /* cublasLtMatmulHeuristicResult_t */
  cublas_algo algo;
  size_t workspace;
  cublas_status state;
  float waves;
  int reserved[4];
} cublas_result;

/* X(what the library calls it after "cublasLt", its result, its parameters) */
#define CUBLAS_FUNCTIONS(X)                                                                      \
  X(GetVersion, size_t, (void))                                                                  \
  X(Create, cublas_status, (cublas_handle *))                                                    \
  X(MatmulDescCreate, cublas_status, (cublas_desc *, int compute, int scale_type))               \
  X(MatmulDescDestroy, cublas_status, (cublas_desc))                                             \
  X(MatmulDescSetAttribute, cublas_status, (cublas_desc, int, const void *, size_t))             \
  X(MatrixLayoutCreate, cublas_status,                                                           \
    (cublas_layout *, int type, uint64_t rows, uint64_t columns, int64_t leading))               \
  X(MatrixLayoutDestroy, cublas_status, (cublas_layout))                                         \
  X(MatrixLayoutSetAttribute, cublas_status, (cublas_layout, int, const void *, size_t))         \
  X(MatmulPreferenceCreate, cublas_status, (cublas_preference *))                                \
  X(MatmulPreferenceDestroy, cublas_status, (cublas_preference))                                 \
  X(MatmulPreferenceSetAttribute, cublas_status, (cublas_preference, int, const void *, size_t)) \
  X(MatmulAlgoGetHeuristic, cublas_status,                                                       \
    (cublas_handle, cublas_desc, cublas_layout a, cublas_layout b, cublas_layout c,              \
     cublas_layout d, cublas_preference, int asked, cublas_result *, int *found))                \
  X(Matmul, cublas_status,                                                                       \
    (cublas_handle, cublas_desc, const void *alpha, const void *a, cublas_layout, const void *b, \
     cublas_layout, const void *beta, const void *c, cublas_layout, void *d, cublas_layout,      \
     const cublas_algo *, void *workspace, size_t nbytes, cudaStream_t))

#endif
