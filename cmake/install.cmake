# What `cmake --install` puts where, and the files by which other builds find the library (pkg-config, find_package).
# Everything installed is relocatable: paths are relative to the file that holds them.
include(CMakePackageConfigHelpers)

# The libraries of a static link as plain names (-lNAME), which are as valid on another machine.
set(plain_libraries "")
foreach(library ${LAPACKE_LIBRARY} ${LAPACK_LIBRARY})
  get_filename_component(name ${library} NAME_WE)
  string(REGEX REPLACE "^lib" "" name ${name})
  list(APPEND plain_libraries ${name})
endforeach()
if(DIFFCUT_HAVE_DNNL)
  list(APPEND plain_libraries dnnl)
endif()
if(DIFFCUT_OPENMP)
  list(APPEND plain_libraries ${OpenMP_C_LIB_NAMES})
endif()
list(APPEND plain_libraries pthread m ${CMAKE_DL_LIBS})
list(REMOVE_DUPLICATES plain_libraries)
target_link_libraries(diffcut_static INTERFACE "$<INSTALL_INTERFACE:spng;webp;jpeg;jansson;${plain_libraries}>")

set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH DIFFCUT_PC_UP /prefix/${pkgconfig_dir} /prefix)
string(REGEX REPLACE "/$" "" DIFFCUT_PC_UP "${DIFFCUT_PC_UP}")
list(TRANSFORM plain_libraries PREPEND -l OUTPUT_VARIABLE DIFFCUT_PC_LIBS)
list(JOIN DIFFCUT_PC_LIBS " " DIFFCUT_PC_LIBS)
configure_file(${PROJECT_SOURCE_DIR}/cmake/diffcut.pc.in ${PROJECT_BINARY_DIR}/diffcut.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/diffcut.pc DESTINATION ${pkgconfig_dir})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/diffcut)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/diffcut-config.cmake.in
                              ${PROJECT_BINARY_DIR}/diffcut-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/diffcut-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/diffcut-config.cmake ${PROJECT_BINARY_DIR}/diffcut-config-version.cmake
        DESTINATION ${package_dir})
install(EXPORT diffcut-targets NAMESPACE diffcut:: DESTINATION ${package_dir})

install(TARGETS diffcut_shared diffcut_static EXPORT diffcut-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET diffcut)
  install(TARGETS diffcut RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET diffcut-mpi)
  install(TARGETS diffcut-mpi RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES ${PROJECT_SOURCE_DIR}/include/diffcut/diffcut.h ${PROJECT_SOURCE_DIR}/include/diffcut/encoder.h
        ${PROJECT_SOURCE_DIR}/include/diffcut/eval.h ${PROJECT_SOURCE_DIR}/include/diffcut/vocabulary.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/diffcut)

# The embedded model, found by the library as ../share/diffcut/models from its own folder: installed, and in the build
# folder through a link. The golden run beside it is for the tests.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/models/diffcut-tiny DESTINATION ${CMAKE_INSTALL_DATADIR}/diffcut/models
        PATTERN golden.safetensors EXCLUDE)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/diffcut)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/models ${PROJECT_BINARY_DIR}/share/diffcut/models SYMBOLIC)

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(name README.md CHANGELOG.md)
  install(FILES ${PROJECT_SOURCE_DIR}/${name} DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/doc/diffcut.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)
install(FILES ${PROJECT_SOURCE_DIR}/completions/diffcut.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME diffcut OPTIONAL)
