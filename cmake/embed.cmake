# A file as a C array: cmake -DIN=file -DOUT=file.c -DNAME=symbol -P embed.cmake. `size_t NAME_size` comes with it.
file(READ ${IN} octets HEX)
string(REGEX REPLACE "(..)" "0x\\1," octets "${octets}")
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n" octets "${octets}")
file(WRITE ${OUT} "#include <stddef.h>\nextern const unsigned char ${NAME}[];\nextern const size_t ${NAME}_size;\n"
  "const unsigned char ${NAME}[] = {\n${octets}0};\nconst size_t ${NAME}_size = sizeof ${NAME} - 1;\n")
