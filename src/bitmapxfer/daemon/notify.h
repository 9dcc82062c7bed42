/** What systemd is told, if it is systemd that started us (sd_notify(3)). */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stddef.h>
#include <stdint.h>

void bf_notify_ready(size_t nr_moves);
void bf_notify_stopping(size_t nr_moves);
void bf_notify_alive(void);

/** How often bf_notify_alive() is due; 0: nobody watches. */
uint64_t bf_notify_interval_ms(void);

#endif
