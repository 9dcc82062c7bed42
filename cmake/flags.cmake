# Compiler flags for every target of the project.
include(CheckCCompilerFlag)

add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64 BF_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Wstrict-prototypes
                    -Wmissing-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wundef)
check_c_compiler_flag(-Warith-conversion BF_HAVE_ARITH_CONVERSION)
if(BF_HAVE_ARITH_CONVERSION)
  add_compile_options(-Warith-conversion)
endif()
if(BF_WERROR)
  add_compile_options(-Werror)
endif()

if(BF_FAIL_POINTS)
  add_compile_definitions(BF_FAIL_POINTS=1)
endif()

if(BF_SANITIZE)
  add_compile_options(-fsanitize=${BF_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BF_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE
                      -D_FORTIFY_SOURCE=2)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
