/* bitferry-source: the daemon on the host that a VM leaves. */
#include "daemon/program.h"
#include "driver.h"

int main(int argc, char **argv)
{
    static const struct bf_program program = {
        .role = BF_ROLE_SOURCE,
        .summary = "Hand out the dirty bitmaps of VMs that move to other hosts",
        .driver = &source_driver,
    };

    return bf_program_main(&program, argc, argv);
}
