#include "notify.h"

#include <systemd/sd-daemon.h>

void bf_notify_ready(size_t nr_moves)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=%zu moves taken up again", nr_moves);
}

void bf_notify_stopping(size_t nr_moves)
{
    (void)sd_notifyf(0, "STOPPING=1\nSTATUS=stopping, %zu moves under way", nr_moves);
}

void bf_notify_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

/* Half of the time that systemd grants, as sd_watchdog_enabled(3) advises. */
uint64_t bf_notify_interval_ms(void)
{
    uint64_t watchdog_us = 0;

    if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
        return 0;
    return watchdog_us < 2000 ? 1 : watchdog_us / 2000;
}
