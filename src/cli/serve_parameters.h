/** What `bitferry serve` tells the plugin to serve. */
#ifndef CLI_SERVE_PARAMETERS_H
#define CLI_SERVE_PARAMETERS_H

#include "command.h"

struct bf_serve_parameters {
    char **texts; /* KEY=VALUE */
    size_t nr_texts;
};

void bf_serve_parameters_release(struct bf_serve_parameters *parameters);

/** The images and folders of the command line; @names: of the images, in their order, or not given;
 *  @bitmaps: only these, or not given.  Release @parameters after a failure too. */
int bf_serve_parameters_of_operands(const struct bf_arguments *args,
                                    const struct bf_option_values *names,
                                    const struct bf_option_values *bitmaps,
                                    struct bf_serve_parameters *parameters, struct bf_error *err);

/** The carriers in @folder. */
int bf_serve_parameters_of_folder(const char *folder, struct bf_serve_parameters *parameters,
                                  struct bf_error *err);

#endif
