// library.c: gradflow.h for the fuzz targets. Their business is what is read from files: the plain kernels serve.
#define GF_NO_SIMD
#define GRADFLOW_IMPLEMENTATION
#include "../../gradflow.h"
