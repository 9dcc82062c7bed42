#include "man_page.h"

#include "command.h"
#include "commands.h"
#include "prose.h"

#include <string.h>

static const struct {
    int code;
    const char *meaning;
} exits[] = {
    {BF_EXIT_OK, "Everything asked for was done _and verified_."},
    {BF_EXIT_FAILURE, "Any other failure."},
    {BF_EXIT_USAGE, "The command line is wrong."},
    {BF_EXIT_SOME_DROPPED, "Some bitmaps were not carried: their next backup is a full one."},
    {BF_EXIT_NONE_CARRIED, "No bitmap was carried."},
    {BF_EXIT_PEER, "The other side is not there, does not answer in time, or talks nonsense."},
    {BF_EXIT_BUSY, "An image or a bitmap is in use."},
    {BF_EXIT_AUTH, "The other side is not who it should be, or does not trust us."},
    {BF_EXIT_VERSION, "The other side, or a file, is of a newer bitferry."},
    {BF_EXIT_INTEGRITY, "What was read is not what it should be; or *verify* found dirty blocks "
                        "that are not covered."},
    {BF_EXIT_UNSUPPORTED, "The image or the request is of a kind that cannot be handled."},
};

static const char description[] =
    "*bitferry* carries QEMU dirty bitmaps, and so the chance of an incremental backup, from one "
    "disk image to another: it shows the bitmaps of an image, serves them over NBD, pulls them "
    "from such a server into another image, keeps them in an archive, and proves that one bitmap "
    "covers another.\n\n"
    "What it carries is never less than what was there: a bitmap at the destination is absent, "
    "or it covers at least every block that the source's covered.\n\n"
    "A _TARGET_ is a qcow2 image (or a carrier, which is a qcow2 image that holds only bitmaps), "
    "an archive folder (or any folder of carriers), or the NBD URI of a *bitferry serve*: "
    "_nbd://HOST:PORT/_, with TLS _nbds://HOST:PORT/_, or _nbd+unix:///?socket=PATH_. A URI that "
    "names an export (_DISK/BITMAP_) means that one bitmap.";

static const char json_prose[] =
    "With *--json* a command prints exactly one JSON object on the standard output. Keys may be "
    "added in later versions; none is renamed without a new _schema_ number. A failure is\n\n"
    "    {\"schema\": 1, \"error\": {\"code\": \"IMAGE_IN_USE\", \"message\": \"...\"}}\n\n"
    "with the same exit status as without *--json*. The codes are listed under EXIT STATUS.";

static void put(FILE *out, const char *text)
{
    bf_prose_roff(out, text, strlen(text));
}

static void put_option(FILE *out, const struct bf_option *option)
{
    (void)fputs(".TP\n", out);
    if (option->letter)
        (void)fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    (void)fputs("\\fB\\-\\-", out);
    bf_roff_literal(out, option->name, strlen(option->name));
    (void)fputs("\\fR", out);
    if (option->placeholder)
        (void)fprintf(out, " \\fI%s\\fR", option->placeholder);
    (void)fputc('\n', out);
    put(out, option->help);
    if (option->required)
        (void)fputs(" (required)", out);
    if (option->repeatable)
        (void)fputs(" (may be given several times)", out);
    (void)fputc('\n', out);
}

static void put_command(FILE *out, const struct bf_command *command)
{
    (void)fprintf(out, ".SS bitferry %s \\fR[\\fIOPTION\\fR]... \\fI", command->name);
    bf_roff_literal(out, command->operands, strlen(command->operands));
    (void)fputs("\\fR\n", out);
    put(out, command->summary);
    (void)fputs(".\n", out);
    bf_prose_roff_paragraphs(out, command->description);
    for (size_t i = 0; i < command->nr_options; i++)
        put_option(out, &command->options[i]);
}

static void put_exit_status(FILE *out)
{
    static const enum bf_code codes[] = {
#define BF_LIST_CODE(name, errnum, exit_code) BF_E_##name,
        BF_ERROR_CODES(BF_LIST_CODE)
#undef BF_LIST_CODE
    };

    (void)fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
        const char *before = "\nError codes: ";

        (void)fprintf(out, ".TP\n\\fB%d\\fR\n", exits[i].code);
        put(out, exits[i].meaning);
        for (size_t j = 1; j < sizeof codes / sizeof codes[0]; j++) {
            if (bf_code_exit(codes[j]) == exits[i].code) {
                (void)fprintf(out, "%s%s", before, bf_code_name(codes[j]));
                before = ", ";
            }
        }
        (void)fputs(before[0] == ',' ? ".\n" : "\n", out);
    }
}

/* Pairs of lines: the command line, what it does. */
static void put_examples(FILE *out, const char *examples)
{
    while (*examples) {
        size_t line = strcspn(examples, "\n");
        const char *meaning = examples + line + 1;
        size_t meaning_length = strcspn(meaning, "\n");

        (void)fputs(".TP\n\\fB", out);
        bf_roff_literal(out, examples, line);
        (void)fputs("\\fR\n", out);
        bf_prose_roff(out, meaning, meaning_length);
        (void)fputc('\n', out);
        examples = meaning + meaning_length + 1;
    }
}

void bf_man_page(FILE *out)
{
    (void)fputs(".\\\" Made by 'bitferry --man-page' from the command tables; do not edit.\n"
                ".TH BITFERRY 1 \"\" \"bitferry " BF_VERSION "\" \"bitferry\"\n"
                ".SH NAME\n"
                "bitferry \\- carry QEMU dirty bitmaps from one disk image to another\n"
                ".SH SYNOPSIS\n"
                "\\fBbitferry\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIOPERAND\\fR]...\n"
                ".SH DESCRIPTION\n",
                out);
    bf_prose_roff_paragraphs(out, description);
    (void)fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; bf_commands[i]; i++)
        put_command(out, bf_commands[i]);
    (void)fputs(".SH COMMON OPTIONS\n", out);
    for (size_t i = 0; i < BF_NR_COMMON_OPTIONS; i++)
        put_option(out, &bf_common_options[i]);
    (void)fputs(".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nshow the version and exit\n"
                ".SH JSON\n",
                out);
    bf_prose_roff_paragraphs(out, json_prose);
    put_exit_status(out);
    (void)fputs(".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\n"
                "if set and not empty, no colours are used\n"
                ".SH EXAMPLES\n",
                out);
    for (size_t i = 0; bf_commands[i]; i++)
        put_examples(out, bf_commands[i]->examples);
    (void)fputs(".SH SEE ALSO\n.BR nbdkit\\-bitferry\\-plugin (1),\n.BR nbdkit (1),\n"
                ".BR nbdinfo (1),\n"
                ".BR qemu\\-img (1),\n"
                ".BR qemu\\-storage\\-daemon (1)\n",
                out);
}
