# Every outside library, found once, each used behind one file of src/ (see doc/ARCHITECTURE.md).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(SPNG REQUIRED IMPORTED_TARGET spng)      # src/io/png.c
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)   # src/io/webp.c
find_package(JPEG REQUIRED)                                # src/io/jpeg.c
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson) # src/io/json.c
find_library(LAPACKE_LIBRARY lapacke REQUIRED)             # src/segment/eigen_dense.c
find_path(LAPACKE_INCLUDE lapacke.h REQUIRED)
find_library(LAPACK_LIBRARY NAMES openblas lapack REQUIRED)

if(DIFFCUT_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS C)
endif()

# oneDNN: Debian 12 ships 2.6 without a pkg-config file; a current 3.x is found the same way.
find_library(DNNL_LIBRARY dnnl)
find_path(DNNL_INCLUDE dnnl.h)
