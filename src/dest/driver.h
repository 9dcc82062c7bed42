#ifndef DEST_DRIVER_H
#define DEST_DRIVER_H

#include "daemon/driver.h"

extern const struct bf_move_driver_ops dest_driver;

#endif
