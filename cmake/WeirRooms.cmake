# SPDX-License-Identifier: Apache-2.0
# Rooms: one object library weir_<room> per folder of src/ that has sources, in the order of src/LAYERS.
file(STRINGS ${CMAKE_SOURCE_DIR}/src/LAYERS WEIR_LAYERS REGEX "^[a-z]+$")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/LAYERS)

# Kernels for one instruction set: built with its flags, chosen at run time.
function(weir_set_isa_flags)
    foreach(source IN LISTS ARGN)
        if(source MATCHES "_avx512\\.c$")
            set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
                "-mavx512f;-mavx512dq;-mavx512vl;-mavx512bw;-mavx2;-mfma")
        elseif(source MATCHES "_avx2\\.c$")
            set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
        endif()
    endforeach()
endfunction()

macro(weir_add_rooms)
    set(WEIR_ROOMS "")
    foreach(room IN LISTS WEIR_LAYERS)
        file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${room}/*.c)
        if(sources)
            weir_set_isa_flags(${sources})
            add_library(weir_${room} OBJECT ${sources})
            target_include_directories(weir_${room} PRIVATE ${CMAKE_SOURCE_DIR}/src)
            target_link_libraries(weir_${room} PRIVATE weir_options weir_libraries)
            list(APPEND WEIR_ROOMS ${room})
        endif()
    endforeach()
endmacro()

# Rooms with sources from the top of the list down to `room` itself.
function(weir_rooms_above room out)
    set(above "")
    foreach(name IN LISTS WEIR_LAYERS)
        if(name IN_LIST WEIR_ROOMS)
            list(APPEND above ${name})
        endif()
        if(name STREQUAL room)
            break()
        endif()
    endforeach()
    set(${out} ${above} PARENT_SCOPE)
endfunction()
