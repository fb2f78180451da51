# Every outside library, found once, each used behind one file of src/ (see doc/ARCHITECTURE.md).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(SPNG REQUIRED IMPORTED_TARGET spng)       # src/io/png_read.c, png_write.c
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)    # src/io/webp.c
find_package(JPEG REQUIRED)                                 # src/io/jpeg.c
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson) # src/io/json.c
find_library(LAPACKE_LIBRARY lapacke REQUIRED)              # src/segment/eigen_dense.c
find_path(LAPACKE_INCLUDE lapacke.h REQUIRED)
find_library(LAPACK_LIBRARY NAMES openblas lapack REQUIRED)

if(DIFFCUT_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS C)
endif()

# oneDNN, behind src/core/gemm.c: 2.x as Debian 12 packages it or 3.x, found by header and library since some packages
# have no CMake file. -DDNNL_ROOT=DIR names another one (a Python environment with the wheel onednn-devel, say).
# Without it the products are plain C.
set(DNNL_ROOT "" CACHE PATH "Where oneDNN is, when not in a system folder")
if(DIFFCUT_ONEDNN)
  set(dnnl_hints ${DNNL_ROOT} $ENV{DNNL_ROOT})
  find_library(DNNL_LIBRARY dnnl HINTS ${dnnl_hints} PATH_SUFFIXES lib)
  find_path(DNNL_INCLUDE dnnl.h HINTS ${dnnl_hints} PATH_SUFFIXES include)
  if(DNNL_LIBRARY AND DNNL_INCLUDE)
    set(DIFFCUT_HAVE_DNNL ON)
  else()
    message(WARNING "oneDNN was not found: matrix products will be plain C, many times slower "
                    "(Debian: libdnnl-dev; else -DDNNL_ROOT=DIR)")
  endif()
endif()

# libcurl, behind src/hub/curl.c: its header only. The library itself is opened when a model is pulled, so that nobody
# else pays for it. Without it `diffcut model pull` says what to install.
if(DIFFCUT_CURL)
  pkg_check_modules(CURL libcurl>=7.66)
  if(CURL_FOUND)
    set(DIFFCUT_HAVE_CURL ON)
  else()
    message(STATUS "libcurl's header was not found: models cannot be pulled (Debian: libcurl4-openssl-dev)")
  endif()
endif()

# libmicrohttpd, behind tools/serve/mhd.c: its header only, as with libcurl. Without it `diffcut serve` says what to
# install.
if(DIFFCUT_SERVE AND CMAKE_SYSTEM_NAME STREQUAL "Linux") # epoll, eventfd
  pkg_check_modules(MHD libmicrohttpd>=0.9.75)
  if(MHD_FOUND)
    set(DIFFCUT_HAVE_MHD ON)
  else()
    message(STATUS "libmicrohttpd's header was not found: no server (Debian: libmicrohttpd-dev)")
  endif()
endif()
