/** What bitferry-source does for a move. */
#ifndef SOURCE_DRIVER_H
#define SOURCE_DRIVER_H

#include "daemon/driver.h"

extern const struct bf_move_driver_ops source_driver;

#endif
