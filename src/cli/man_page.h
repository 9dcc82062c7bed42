/** bitferry(1), made from the command tables when the program is built. */
#ifndef CLI_MAN_PAGE_H
#define CLI_MAN_PAGE_H

#include <stdio.h>

void bf_man_page(FILE *out);

#endif
