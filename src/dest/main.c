/* bitferry-dest: the daemon on the host that a VM comes to. */
#include "daemon/program.h"
#include "driver.h"

int main(int argc, char **argv)
{
    static const struct bf_program program = {
        .role = BF_ROLE_DEST,
        .summary = "Take in the dirty bitmaps of VMs that come from other hosts",
        .driver = &dest_driver,
    };

    return bf_program_main(&program, argc, argv);
}
